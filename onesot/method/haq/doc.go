// Package haq is HAQ: Hardware-Aware Automated Quantization with Mixed Precision (Wang et al., CVPR 2019,
// arXiv:1811.08886), after the authors' code (mit-han-lab/haq at 8228d12, linear mode).
//
// For each budget an agent (DDPG) decides the bits of one gate after the other; at the end of the episode the action
// wall narrows them until the child is within the budget; the child is then fine-tuned from the fp32 net for a moment,
// and how accurate it became is the reward of every decision. The best child of all episodes is the answer: a point's
// accuracy and loss are those after this short fine-tune, as is what the system says of any other child. The long
// training of the child that was found is no part of the search.
//
// From the authors' code: the agent with all its numbers, the state, the reward 0.1 (accuracy - fp32 accuracy, in
// percent), the wall, transitions that keep the action from before the wall, every episode from the same fp32 net,
// warm-up + 1 episodes at random, then one update for each transition that is stored.
//
// Ours:
//   - Accuracy is that of the validation split. The authors take the best accuracy on the images that the child is
//     fine-tuned on, and have the validation commented out.
//   - The flag "weights or input" of a state is 1 for weights. Theirs is the wrong way round from the second decision
//     on, and the first state of an episode is left over from the episode before.
//   - Pinned gates take no decision (theirs are decided and then overwritten), and cost what they cost: their first
//     layer is billed as a 7-bit one by a negative index.
//   - A transition holds its next state; theirs is the next row of the replay buffer, whose newest row cannot be drawn.
//   - Quantizers, their calibration, and the fine-tuning recipe are those of all systems here: LSQ, steps by MSE search,
//     SGD with a cosine; norm statistics are re-estimated where the settings say so.
//   - A child whose training diverges has accuracy 0.
//   - The search can be resumed after every episode, to the same bits.
package haq
