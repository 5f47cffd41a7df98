package cuda

import "vimps-gpu/kernels"

func (t *Tensor) emitBlocks(name string, c kernels.Call) {
	t.dev.emit(name, blocks, kernels.OptimizerUnits(t.Len()), 16<<10, c)
}

// SGD moves p by momentum SGD, m = momentum*m + g + decay*p, p -= lr*m, and sets g to 0. lr f32 [1].
func SGD(p, g, m, lr *Tensor, momentum, decay float32) {
	p.emitBlocks("sgd", kernels.SGD(p.dev.isa, kernels.SGDArgs{P: p.p, G: g.p, M: m.p, Len: p.Len(), LR: lr.p, Momentum: momentum, Decay: decay}))
}

// Adam moves p (Kingma and Ba 2015) and sets g to 0. bias f32 [2]: 1-beta^t.
func Adam(p, g, m, v, lr, bias *Tensor, beta1, beta2 float64, eps float32) {
	p.emitBlocks("adam", kernels.Adam(kernels.AdamArgs{P: p.p, G: g.p, M: m.p, V: v.p, Len: p.Len(), LR: lr.p, Bias: bias.p, Beta1: beta1, Beta2: beta2, Eps: eps}))
}

// LogAdam is Adam on ln p, for steps: p stays positive, 1e-6 or more (method.md, section 5).
func LogAdam(p, g, m, v, lr, bias *Tensor, beta1, beta2 float64, eps float32) {
	p.emitBlocks("logadam", kernels.LogAdam(kernels.AdamArgs{P: p.p, G: g.p, M: m.p, V: v.p, Len: p.Len(), LR: lr.p, Bias: bias.p, Beta1: beta1, Beta2: beta2, Eps: eps}))
}
