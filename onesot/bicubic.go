package onesot

import (
	"fmt"

	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
)

// checkRestored refuses a data set whose images the net cannot restore.
func (p *Problem) checkRestored() error {
	if p.Set.Scale == 0 {
		return fmt.Errorf("model %s makes images; data %s has classes", p.Graph.Name, p.Set.Name)
	}
	for _, s := range []data.Split{p.Val, p.Set.Test} {
		if err := p.Graph.CheckSizes(s); err != nil {
			return err
		}
	}
	return nil
}

// Bicubic is the PSNR of upscaling without a net, what a super-resolution net must beat; nil in classification. It is
// computed once.
func (p *Problem) Bicubic() *Accuracy {
	if p.Metric() != ByPSNR {
		return nil
	}
	if p.bicubic == nil {
		p.bicubic = &Accuracy{ByPSNR, bicubicPSNR(p.Val), bicubicPSNR(p.Set.Test)}
	}
	return p.bicubic
}

func bicubicPSNR(s data.Split) float64 {
	sum := 0.0
	for i := range s.Len() {
		h, w := s.Size(i)
		up := data.Bicubic(s.Image(i), h, w, s.C(), h*s.Scale(), w*s.Scale())
		sum += min(data.PSNR(up, s.Target(i), h*s.Scale(), w*s.Scale(), s.C(), s.Scale()), nn.MaxPSNR)
	}
	return sum / float64(s.Len())
}
