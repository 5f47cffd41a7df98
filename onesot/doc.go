// Package onesot is what search systems are made of. A [System] is given a [Problem], a trained fp32 net with its
// data and its choices, and gives what it [Found]; the systems are the packages below onesot/method. The core of most
// is a [Supernet]: a net with all bit widths, trained together with what chooses among them. That of One-Shot MPS
// is a [BitModel], which predicts the bit widths of every layer from the hardware penalty eta; a sweep of eta then
// reads the accuracy / cost front off it.
//
// The objective of One-Shot MPS (Koryakovskiy et al., CVPR 2023; signs and additions as in method.md beside this file):
//
//	E_eta E_z[CE(z)] + eta sum_k <pi_k^w, T_k pi_k^x> - lambda H(pi) + mu KSL
//
// Read in this order: system.go and problem.go (what a system is and is given), settings.go (what can be set),
// bitmodel.go (eta to logits), gating.go (logits to gates), supernet.go (what a step computes), step.go (one step),
// training.go (epochs), deal.go and spread.go (work shared by processes), checkpoint.go (the state on disk), search.go (the run), sweep.go and judge.go (children), front.go
// and pick.go, extract.go and finetune.go (one child alone).
package onesot
