//go:build !cuda

package cuda

import "errors"

const notBuilt = "this program was built without CUDA (no cuda.h was found; see README, \"GPU\")"

// GPUs lists the GPUs of this machine; where there is none, why says so.
func GPUs() (list []GPUInfo, why string) { return nil, notBuilt }

func (d *Device) onGPU(int, bool) (*Device, error) { return nil, errors.New(notBuilt) }
