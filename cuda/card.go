package cuda

// Card is what measurements record of a GPU.
type Card struct {
	Name        string `json:"name"`
	Capability  [2]int `json:"compute_capability"`
	SMs         int    `json:"sms"`
	Memory      int64  `json:"memory_bytes"`
	CUDA        string `json:"driver_runs_cuda"` // at most
	ClockMHz    int    `json:"sm_clock_mhz"`     // the highest; 0 where the driver does not tell, as the next two
	MemoryMHz   int    `json:"memory_clock_mhz"`
	MemoryBits  int    `json:"memory_bus_bits"`
	L2          int    `json:"l2_bytes"`
	Replacement bool   `json:"driver_replaced"` // VIMPS_LIBCUDA names another driver, such as the simulator, or the card says it is simulated
}

// Card describes the GPU; ok is false on the host.
func (d *Device) Card() (c Card, ok bool) {
	if g, isGPU := d.place.(interface{ card() Card }); isGPU {
		return g.card(), true
	}
	return Card{}, false
}
