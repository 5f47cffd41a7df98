package onesot

import (
	"fmt"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// Deploy is the net of one child alone, with the batch-norm statistics that Child evaluates it with: re-estimated where the settings
// want it. The caller frees it.
func (j *Judge) Deploy(a quant.Assignment) (*Quantized, error) {
	if q := j.Net.Params.Config.Quantizer; q != nn.LSQ {
		return nil, fmt.Errorf("a net with the %v quantizer has no integer codes; fine-tune the child first", q)
	}
	net, err := j.Net.Extract(j.p, a)
	if err != nil {
		return nil, err
	}
	if s := j.p.Settings; s.Recalibrate {
		e := nn.NewEvaluator(net.Params, net.Gates, j.p.Set, j.p.Model.Augment)
		e.Recalibrate(j.p.Train, s.RecalibrateSize, s.Seed)
		e.Free()
	}
	return net, nil
}
