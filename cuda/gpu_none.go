//go:build !cuda

package cuda

import "errors"

const notBuilt = "this program was built without CUDA (see README, \"On a GPU\")"

// GPUs lists the GPUs of this machine; where there is none, why says so.
func GPUs() (list []GPUInfo, why string) { return nil, notBuilt }

func (d *Device) onGPU(int, bool) (*Device, error) { return nil, Unavailable{errors.New(notBuilt)} }
