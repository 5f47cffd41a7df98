// Package onesot is the search: one training of a [Supernet] together with a [BitModel] that predicts the
// bit widths of every layer from the hardware penalty eta, then a sweep of eta that reads the accuracy /
// cost front off it.
//
// The objective (Koryakovskiy et al., CVPR 2023; signs and additions as in method.md beside this file):
//
//	E_eta E_z[CE(z)] + eta sum_k <pi_k^w, T_k pi_k^x> - lambda H(pi) + mu KSL
//
// Read in this order: settings.go (what can be set), bitmodel.go (eta to logits), supernet.go (what a
// step computes), step.go (one step), search.go (the run), sweep.go and evaluate.go (children), front.go and pick.go.
package onesot
