#include "examples/labs/faults.h"

namespace minima::examples {

const Fault& fault(int number) {
  static const std::vector<Fault> faults{
      {"The perturbation goes along +v, back to where the weights came from, instead of -v.",
       "Panel 3: the cosine of e and -v is -1. The length is right, and so is all bookkeeping; only the test loss may "
       "hint at it.",
       "A port of MSAM adds +v: github.com/wandb/senpai, pull request 2904."},
      {"The momentum is normalised tensor by tensor instead of once over all parameters.",
       "Panel 2: |e| is rho times the square root of the number of tensors, 2.4 times too long whatever rho is; panel "
       "3: "
       "e no longer has the direction of v.",
       "The same port normalises tensor by tensor: github.com/wandb/senpai, pull request 2904. Whether SAM does is a "
       "question in github.com/google-research/sam, issue 13."},
      {"The weights are evaluated, and saved, at the perturbed point.",
       "Panel 2: no distance at all between what is evaluated and where the gradient is taken. Panel 4: each step "
       "leads "
       "elsewhere than -lr * v.",
       "The authors' code keeps the weights there and asks its user to move them back (optimizer/msam.py and main.py "
       "in github.com/MarlonBecker/MSAM); who forgets has this fault."},
      {"The perturbation is undone with the rho that is due now, though another one had been applied.",
       "Panel 4: a step goes astray exactly where rho changes: a kick of length rho when it is switched on, and small "
       "ones while it falls; none while it is constant. Weight decay, taken where the undoing ends, shows the same in "
       "panel 5.",
       "optimizer/msam.py in github.com/MarlonBecker/MSAM: the undoing reads the rho of the moment, and main.py steps "
       "the schedule of rho before it."},
      {"The perturbation is undone after the momentum was updated, with the new momentum.",
       "Panel 4: every step goes astray while rho is not 0, though (panel 2) the perturbation has its right length.",
       "nowhere that we know of; thought of for this lab: one line of bookkeeping moved."},
      {"Weight decay is taken at the perturbed weights.",
       "Panel 5 and no other: the new velocity is not momentum * v + g + weight_decay * w, by weight_decay * rho.",
       "optimizer/msam.py in github.com/MarlonBecker/MSAM takes weight decay there. It is a choice, not an error, but "
       "another one than the paper's rule."},
      {"Batch norm counts SAM's second pass in its running statistics.",
       "Panel 9: two batches are counted in each step.", "github.com/davda54/sam, issue 17."},
      {"The checkpoint holds the perturbed weights and the momentum, but not the factor between them.",
       "Panel 4: one step goes astray, the one after resuming, by exactly rho: the perturbation is never undone.",
       "nowhere that we know of; thought of for this lab: what a checkpoint forgets."},
      {"Weight decay is added to the gradient in place.",
       "Panel 6: the gradient that is left after the step is not the one that was computed. Training is not affected; "
       "logged norms and accumulated gradients are.",
       "optimizer/msam.py in github.com/MarlonBecker/MSAM, which warns of it in a comment."},
      {"SAM divides by the norm of the gradient without asking whether it is 0.",
       "Panel 12: from an exact minimum, where there is nowhere to go, not one weight is left finite. Never seen in "
       "the other panels, nor in most training.",
       "github.com/google-deepmind/optax, pull request 1743; github.com/rollovd/LookSAM, issue 1."},
      {"The gradients are not zeroed between SAM's two passes.",
       "Panel 11: with rho = 0 SAM must be SGD to the bit, and is not. It applies the sum of two gradients, which "
       "looks "
       "like a learning rate twice as large.",
       "github.com/rollovd/LookSAM, issue 3."},
      {"The perturbation is not undone after the last step.",
       "Panel 4: all steps are right but the last, which ends at distance rho from where it should. As the learning "
       "rate "
       "has gone to 0, this is by far the largest error of the run.",
       "nowhere that we know of; thought of for this lab: fault 3, at the end alone."},
      {"The cosine of rho runs through two periods instead of half a one.",
       "Panel 2: rho comes back to its full value twice while it should only fall.",
       "utility/rhoScheduler.py in github.com/MarlonBecker/MSAM: a period of half the epochs."},
      {"SAM counts one gradient a step.",
       "Panel 10: it reports half of the gradients it takes. All trajectories are right; a comparison at equal numbers "
       "of gradients gives it twice the budget.",
       "nowhere that we know of; thought of for this lab: budgets counted in steps."},
  };
  return faults.at(static_cast<size_t>(number - 1));
}

}  // namespace minima::examples
