package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/onesot"
)

type worldKey struct{}

// withWorld gives the commands below a context the processes that they work together with.
func withWorld(ctx context.Context, w *job.World) context.Context {
	return context.WithValue(ctx, worldKey{}, w)
}

// worldOf is the processes that a command works together with.
func worldOf(c *cli.Context) *job.World {
	if w, ok := c.Context.Value(worldKey{}).(*job.World); ok {
		return w
	}
	return job.Alone()
}

// inJob runs the program in a job of several processes, of which the first speaks for all.
func inJob(ctx context.Context, w *job.World, args []string, stdout, stderr io.Writer) int {
	if w.Rank() > 0 {
		stdout, stderr = io.Discard, io.Discard
	}
	err := App(stdout, stderr).RunContext(withWorld(ctx, w), args)
	if err != nil {
		w.Fail(exitCode(err), oneLine(err))
	}
	w.Leave()
	return ExitOK
}

// sharedCommands are those whose work the processes of a job share.
var sharedCommands = []string{"search", "sweep", "finetune", "bench ranks"}

// oneProcess refuses a command that several processes would each do for themselves, in the same files.
func oneProcess(c *cli.Context) error {
	w := worldOf(c)
	if w.Size() == 1 {
		return nil
	}
	name := strings.TrimPrefix(c.Command.HelpName, c.App.Name+" ")
	if slices.Contains(sharedCommands, name) {
		return nil
	}
	return usagef("%s is work for one process, and the job has %d; the commands that several processes share are %s", name, w.Size(), strings.Join(sharedCommands, ", "))
}

// describeJob says how many processes work together and where.
func describeJob(w *job.World) string {
	var hosts []string
	count := map[string]int{}
	for r := range w.Size() {
		h := w.Host(r)
		if count[h] == 0 {
			hosts = append(hosts, h)
		}
		count[h]++
	}
	if len(hosts) == 1 {
		return fmt.Sprintf("%d processes on %s", w.Size(), hosts[0])
	}
	for i, h := range hosts {
		hosts[i] = fmt.Sprintf("%s %d", h, count[h])
	}
	return fmt.Sprintf("%d processes on %d hosts: %s", w.Size(), len(hosts), strings.Join(hosts, ", "))
}

// localDevice is the device of a rank where the flags leave it open: the GPU with its number on the host, or an equal share of the host's
// CPUs. A launcher that binds ranks to CPUs, or shows each a GPU of its own, has shared them out already.
func localDevice(w *job.World, o *cuda.Options) error {
	rank, size := w.Local()
	list, _ := cuda.GPUs()
	if o.Device == "auto" && len(list) > 0 {
		switch {
		case rank < len(list):
			o.Device = fmt.Sprintf("gpu:%d", rank)
		case len(list) == 1:
			o.Device = "gpu:0"
		default:
			return fmt.Errorf("%d processes on host %s have only %d GPUs: start one a GPU", size, w.Host(w.Rank()), len(list))
		}
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
		if sameCPUs(w) {
			o.Threads = max(1, o.Threads/size)
		}
	}
	return nil
}

// sameCPUs tells whether the ranks on this host may all run on the same CPUs.
func sameCPUs(w *job.World) bool {
	shared := true
	all := w.Gather([]byte(allowedCPUs()))
	for r, cpus := range all {
		if r != w.Rank() && w.Host(r) == w.Host(w.Rank()) && string(cpus) != string(all[w.Rank()]) {
			shared = false
		}
	}
	return shared
}

// allowedCPUs names the CPUs that this process may run on, as Linux writes them.
func allowedCPUs() string {
	text, _ := os.ReadFile("/proc/self/status") // elsewhere: as if all were the same
	_, rest, _ := strings.Cut(string(text), "Cpus_allowed_list:")
	cpus, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(cpus)
}

// stepShares is the number of micro-batches in the steps of a system, and the flag that sets it; 0 of a system that trains nothing.
func stepShares(system string, s onesot.Settings) (flag string, micros int) {
	switch system {
	case "fisher":
		return "", 0
	case "haq", "spos", "bitmixer", "fn3", onesot.FineTuneName:
		return "--tune-micro-batches", s.TuneMicros
	}
	return "--micro-batches", s.MicroBatches
}

// checkShare refuses a search whose steps the processes of a job cannot share, and notes what each repeats. Where it has its fp32 net
// already, only the system's steps are left to share.
func checkShare(w *job.World, system string, config onesot.Config, hasFP32 bool, notes io.Writer) error {
	n, s := w.Size(), config.Settings
	if n == 1 {
		return nil
	}
	if flag, micros := stepShares(system, s); flag != "" {
		if err := onesot.CheckShare(flag, max(1, micros), n); err != nil {
			return asUsage(err)
		}
	}
	if hasFP32 {
		return nil
	}
	if s.PretrainMicros <= 1 {
		fmt.Fprintf(notes, "note: every process trains the fp32 net for itself; --pretrain-micro-batches %d, or a multiple of it, shares that too\n", n)
		return nil
	}
	return asUsage(onesot.CheckShare("--pretrain-micro-batches", s.PretrainMicros, n))
}
