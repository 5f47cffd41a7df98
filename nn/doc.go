// Package nn describes and runs convolutional nets.
//
// A [Graph] says what a net is: a DAG of convolutions, batch norms, activations, additions. It owns no
// memory. A [Params] holds the values of a net: every parameter in one flat buffer a group. A [Plan]
// is a Graph compiled for a batch size on a device: its buffers and its recorded work, forward and, in
// training, backward. Supernet, child and fp32 net are the same Graph through the same Plan code; what
// differs is the gate matrix z.
//
// Letters: N batch, H W C input, K output channels, P Q output height and width, R S filter.
// Parameter gradients accumulate, activation gradients overwrite.
package nn
