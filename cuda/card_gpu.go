//go:build cuda

package cuda

import (
	"fmt"
	"os"
	"strings"

	"vimps-gpu/cuda/driver"
)

func (g *gpu) card() Card {
	i, s := g.ctx.Info, g.ctx.Speeds()
	return Card{Name: i.Name, Capability: i.ComputeCapability, SMs: i.SMs, Memory: i.Memory,
		CUDA:     fmt.Sprintf("%d.%d", i.DriverVersion/1000, i.DriverVersion%1000/10),
		ClockMHz: s.ClockKHz / 1000, MemoryMHz: s.MemoryKHz / 1000, MemoryBits: s.MemoryBits, L2: s.L2,
		Replacement: os.Getenv(driver.LibraryVariable) != "" || strings.HasPrefix(i.Name, "Simulated")}
}
