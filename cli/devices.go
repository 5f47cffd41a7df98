package cli

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
)

// hostInfo is the host, as devices prints it.
type hostInfo struct {
	Name    string   `json:"name"`
	Model   string   `json:"model"`
	CPUs    int      `json:"cpus"`
	ISAs    []string `json:"isas"` // fastest first
	Default string   `json:"default_isa"`
}

// gpuInfo is a GPU, as devices prints it.
type gpuInfo struct {
	Name       string `json:"name"`
	Model      string `json:"model"`
	Capability string `json:"compute_capability"`
	SMs        int    `json:"sms"`
	Memory     int64  `json:"memory_bytes"`
	Usable     bool   `json:"usable"`
	Why        string `json:"why,omitempty"` // where it is not usable
}

func devicesCommand() *cli.Command {
	return &cli.Command{
		Name:        "devices",
		Usage:       "list where this machine can compute",
		Description: describe("Lists the devices that --device takes and the instruction sets that --isa takes on this machine, and says of a GPU that cannot be used why not.", "vimps-gpu devices"),
		Flags:       []cli.Flag{jsonFlag()},
		Action:      devices,
	}
}

func devices(c *cli.Context) error {
	host := describeHost()
	gpus, why := describeGPUs()
	auto := "host"
	for _, g := range gpus {
		if g.Usable {
			auto = g.Name
			break
		}
	}
	if c.Bool("json") {
		all := []any{host}
		for _, g := range gpus {
			all = append(all, g)
		}
		return writeJSON(c.App.Writer, struct {
			Devices []any  `json:"devices"`
			NoGPU   string `json:"no_gpu,omitempty"` // why there is none
			Auto    string `json:"auto"`
		}{all, why, auto})
	}
	fmt.Fprintf(c.App.Writer, "host: %s, %s, instruction sets %v (auto: %s)\n", host.Model, countOf(host.CPUs, "CPU"), host.ISAs, host.Default)
	for _, g := range gpus {
		fmt.Fprintf(c.App.Writer, "%s: %s, compute capability %s, %s, %.1f GiB", g.Name, g.Model, g.Capability, countOf(g.SMs, "SM"), float64(g.Memory)/(1<<30))
		if !g.Usable {
			fmt.Fprintf(c.App.Writer, "; cannot be used: %s", g.Why)
		}
		fmt.Fprintln(c.App.Writer)
	}
	if why != "" {
		fmt.Fprintf(c.App.Writer, "gpu: none: %s\n", why)
	}
	fmt.Fprintf(c.App.Writer, "--device auto takes %s\n", auto)
	return nil
}

func describeHost() hostInfo {
	host := hostInfo{Name: "host", Model: cpuModel(), CPUs: runtime.GOMAXPROCS(0), Default: kernels.BestISA().String()}
	for _, isa := range []kernels.ISA{kernels.AVX512, kernels.AVX2, kernels.Portable} {
		if isa.Supported() {
			host.ISAs = append(host.ISAs, isa.String())
		}
	}
	return host
}

// describeGPUs lists the GPUs that the driver sees; where it sees none, why says so.
func describeGPUs() (list []gpuInfo, why string) {
	gpus, why := cuda.GPUs()
	for _, g := range gpus {
		list = append(list, gpuInfo{Name: fmt.Sprintf("gpu:%d", g.Number), Model: g.Name, Capability: fmt.Sprintf("%d.%d", g.Capability[0], g.Capability[1]),
			SMs: g.SMs, Memory: g.Memory, Usable: g.Usable, Why: g.Why})
	}
	return list, why
}
