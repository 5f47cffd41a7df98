// Package quant describes what a mixed-precision search chooses from and what a
// choice costs, with no arithmetic on tensors: bit widths and their ranges, the
// gates of a net (Space), one bit width for every gate (Assignment) and the cost
// of every choice in every layer (CostTable).
//
// A gate is the choice of a bit width for the weights or for the input of one
// layer. A gate with one candidate is pinned; the others are searched.
package quant
