package cli

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vimps-gpu/nn/data"
)

// machineFacts says what a run used and where it ran.
func machineFacts(s *session) [][2]string {
	dev := s.dev
	var facts [][2]string
	if s.world.Size() > 1 {
		facts = [][2]string{{"processes", describeJob(s.world) + "; what follows is of the first"}}
	}
	return append(facts, [][2]string{
		{"CPU time of the process", cpuTime().Round(time.Second / 10).String()},
		{"peak resident memory", memoryFact(s)},
		{"machine", fmt.Sprintf("%s, %s, %s of %d CPUs", cpuModel(), dev.ISA(), countOf(dev.Threads(), "thread"), runtime.NumCPU())},
		{"device", fmt.Sprintf("%s, %s", dev.Name(), dev.Precision())},
		{"built with", fmt.Sprintf("%s, vimps-gpu %s", runtime.Version(), Version)},
	}...)
}

// memoryFact is the peak of resident memory and what it is made of.
func memoryFact(s *session) string {
	images := imageBytes(s.set)
	tensors := mebibytes(s.dev.PeakBytes())
	if s.dev.GPU() {
		tensors += " on the GPU"
	}
	text := fmt.Sprintf("%s: tensors at most %s", mebibytes(peakResident()), tensors)
	if m := s.search.Memory; m.Forward > 0 {
		text += fmt.Sprintf(" (training: %s activations kept for the backward pass, %s gradients and sums, %s parameters with gradients and moments)",
			mebibytes(m.Forward), mebibytes(m.Backward), mebibytes(m.Parameters))
	}
	if s.dev.GPU() {
		return text + fmt.Sprintf("; images, on the host, %s", mebibytes(images))
	}
	return text + fmt.Sprintf("; images %s; the rest is code and the Go heap's reserve", mebibytes(images))
}

// imageBytes is what the images of a set hold in memory; 0 of a set whose images lie in files.
func imageBytes(set *data.Set) (sum int64) {
	for i, s := range []data.Split{set.Train, set.Test} {
		switch {
		case s.Scale() > 0:
			for k := range s.Len() {
				h, w := s.Size(k)
				sum += int64(h * w * s.C() * (1 + s.Scale()*s.Scale()))
			}
		case !s.Varied() && (i == 0 || s.Images != set.Train.Images):
			sum += int64(s.Images.Shape().TotalSize())
		}
	}
	return sum
}

func mebibytes(b int64) string {
	if b == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.0f MiB", float64(b)/(1<<20))
}

// cpuTime is what this process took on all CPUs.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakResident is the most memory that this process held, in bytes; 0 where the system does not tell.
func peakResident() int64 {
	kib, err := strconv.ParseInt(strings.TrimSuffix(procField("/proc/self/status", "VmHWM"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

func cpuModel() string {
	if name := procField("/proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return runtime.GOARCH
}

// procField is the value of the first "name: value" line of a file under /proc.
func procField(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
