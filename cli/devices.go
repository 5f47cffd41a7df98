package cli

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"vimps-gpu/kernels"
)

// deviceInfo is one place to compute, as devices prints it.
type deviceInfo struct {
	Name    string   `json:"name"`
	Model   string   `json:"model"`
	CPUs    int      `json:"cpus"`
	ISAs    []string `json:"isas"` // fastest first
	Default string   `json:"default_isa"`
}

func devicesCommand() *cli.Command {
	return &cli.Command{
		Name:        "devices",
		Usage:       "list where this machine can compute",
		Description: describe("Lists the devices that --device takes and the instruction sets that --isa takes on this machine.", "vimps-gpu devices"),
		Flags:       []cli.Flag{jsonFlag()},
		Action:      devices,
	}
}

func devices(c *cli.Context) error {
	host := deviceInfo{Name: "host", Model: cpuModel(), CPUs: runtime.GOMAXPROCS(0), Default: kernels.BestISA().String()}
	for _, isa := range []kernels.ISA{kernels.AVX512, kernels.AVX2, kernels.Portable} {
		if isa.Supported() {
			host.ISAs = append(host.ISAs, isa.String())
		}
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, struct {
			Devices []deviceInfo `json:"devices"`
		}{[]deviceInfo{host}})
	}
	fmt.Fprintf(c.App.Writer, "host: %s, %s, instruction sets %v (auto: %s)\n", host.Model, countOf(host.CPUs, "CPU"), host.ISAs, host.Default)
	fmt.Fprintln(c.App.Writer, "gpu: this build has no GPU support")
	return nil
}
