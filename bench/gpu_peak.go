package bench

import "vimps-gpu/cuda"

// Rates are what a card could reach: the floor under a time is the larger of its bytes over Copy and its operations
// over Tensor or Plain.
type Rates struct {
	Precision string  `json:"precision"`
	Copy      float64 `json:"copy_bytes_per_second"` // measured
	Tensor    float64 `json:"tensor_flops"`          // nominal, at the highest clock that the driver tells
	Plain     float64 `json:"f32_flops"`             // nominal, without tensor cores: depthwise convolutions
	Nominal   float64 `json:"nominal_bytes_per_second"`
	How       string  `json:"how"`
}

const howRates = "copy: measured; operations and nominal bandwidth: not measured, clocks and widths that the driver tells times the operations a clock of the " +
	"architecture (dense, the undivided rate: GeForce cards sum in f32 at half of it)"

// perClock is the operations a clock and SM of bf16 tensor cores and of f32 arithmetic, a multiply-add being two: NVIDIA's
// published peaks divided by SMs and boost clock. tf32 is half of bf16.
func perClock(capability [2]int) (tensor, plain float64) {
	switch capability {
	case [2]int{8, 0}:
		return 2048, 128
	case [2]int{9, 0}:
		return 4096, 256
	case [2]int{10, 0}:
		return 8192, 256
	case [2]int{8, 6}, [2]int{8, 9}, [2]int{12, 0}:
		return 1024, 256
	}
	return 0, 0
}

func nominal(c cuda.Card, precision string) Rates {
	tensor, plain := perClock(c.Capability)
	if precision == "tf32" {
		tensor /= 2
	}
	clocks := float64(c.SMs) * float64(c.ClockMHz) * 1e6
	return Rates{Precision: precision, Tensor: tensor * clocks, Plain: plain * clocks,
		Nominal: 2 * float64(c.MemoryMHz) * 1e6 * float64(c.MemoryBits) / 8, How: howRates}
}

// floor is the least seconds, and which of bytes and operations decides. What is not known (a rate of 0) does not count.
func (r Rates) floor(bytes, flop float64, tensorCores bool) (seconds float64, by string) {
	rate := r.Plain
	if tensorCores {
		rate = r.Tensor
	}
	if r.Copy > 0 {
		seconds, by = bytes/r.Copy, "bytes"
	}
	if rate > 0 && flop/rate > seconds {
		seconds, by = flop/rate, "operations"
	}
	return seconds, by
}
