// Package fisher is post-training search: one backward pass over about a thousand images says what every bit width of
// every gate would harm, and an exact knapsack picks the child for each budget. Nothing is trained.
//
// The method is that of "auto_quantize" of NVIDIA's Model Optimizer (tool, 2025): scores from one set of gradients, made
// monotone in the bits, and an integer program. Our own are the form of the score, whose second-order term there keeps
// the diagonal of the Fisher matrix alone and here all of it within a tensor; any cost in place of effective weight
// bits; and the solver.
//
// # The sensitivity
//
// Every gate stands at its widest candidate, m. A mixed tensor is t = sum_b z_b Q_b, so that the plan's gate gradients
// give, exactly, d_b = dL/dz_b - dL/dz_m = <dL/dt, e_b> with e_b = Q_b - Q_m, the change that candidate b would make.
// The loss L is the mean over n images, whose own gradients are g_i: d_b = mean_i <g_i, e_i>. By Taylor, an image's loss
// rises by <g, e> + e'He/2. Around a trained net the first term is about 0 in the mean over images, and the Hessian H
// is about the Fisher matrix F = E[g g'], so that twice the expected rise is
//
//	e'F e = E[<g, e>^2] = n E[d_b^2],
//
// the last because the d_b of a batch is the mean of n independent terms of mean 0. Labels are the data's, not drawn
// from the net: it is the empirical Fisher matrix. Errors of different tensors count as uncorrelated: sums over gates. A
// mean that is not 0 counts n times too much; taking it out moved Kendall's tau between score and loss of random children
// by 0.01 or less.
//
// In nats the scores are no predictions: the gradients of images that a net was trained on are small, those under the
// batch statistics of few images large. They rank.
package fisher
