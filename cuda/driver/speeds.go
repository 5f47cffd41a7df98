//go:build cuda

package driver

import "gorgonia.org/cu"

// Speeds is what the card says of itself; 0 where it does not.
type Speeds struct {
	ClockKHz, MemoryKHz int // highest
	MemoryBits          int // width of the bus
	L2                  int // bytes
}

// Speeds asks the card. No attribute is needed for work, so that one a driver does not know is no error.
func (c *Context) Speeds() Speeds {
	ask := func(a cu.DeviceAttribute) int {
		v, err := c.device.Attribute(a)
		if err != nil {
			return 0
		}
		return v
	}
	var s Speeds
	err := c.current("cuDeviceGetAttribute", func() error {
		s = Speeds{ClockKHz: ask(cu.ClockRate), MemoryKHz: ask(cu.MemoryClockRate), MemoryBits: ask(cu.GlobalMemoryBusWidth), L2: ask(cu.L2CacheSize)}
		return nil
	})
	if err != nil {
		return Speeds{}
	}
	return s
}
