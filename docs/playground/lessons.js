// The lessons: a setting that shows the point of a chapter, what to look for, and figures that the run must reach. The
// page shows each figure beside what was measured, and a test runs all of them.
// A figure is [what, low, high, how it is measured]; `run` gives the walks of one setting by the optimizer's name.

const size = (p) => Math.hypot(p.w1, p.w2);
const at = (side, name) => (runs) => runs[side][name].at(runs.until);
const curvatureOf = (side, name) => (runs) => at(side, name)(runs).curvature;
const lossOf = (side, name) => (runs) => at(side, name)(runs).loss;
const sizeOf = (side, name) => (runs) => size(at(side, name)(runs));
/// The first step from which on the distance from (0, 0) stays below a share of the first.
const stepsTo = (share, side, name) => (runs) => {
  const walk = runs[side][name];
  let step = runs.until;
  while (step > 0 && size(walk.at(step)) <= share * size(walk.at(0))) --step;
  return step + 1;
};

const lessons = [
  {
    id: "step-size", chapter: "1-a-gradient-step", title: "Chapter 1: the steepest direction limits the step",
    text: "A bowl of curvatures 1 and 10. A, lr 0.18: every step multiplies w2 by −0.8, and the path zigzags down. B, lr 0.203: the factor is −1.03, and the path zigzags out. The limit is 2 / 10.",
    set: { surface: { surface: "bowl", condition: 10, start1: 2, start2: 0.8 }, a: { lr: 0.18 }, b: { lr: 0.203 }, on: ["gd"], speed: 5, arrows: ["g"] },
    until: 20,
    figures: [
      ["loss at lr 0.18, step 20", 0.00113, 0.00115, lossOf("a", "gd")],
      ["|w2| at lr 0.203, step 20, over that at the start", 1.8, 1.81, (runs) => Math.abs(at("b", "gd")(runs).w2) / 0.8],
    ],
  },
  {
    id: "momentum", chapter: "2-momentum", title: "Chapter 2: what momentum gains",
    text: "A bowl of condition number 25. A, gradient descent at its best lr, 2/26. B, momentum at its best pair, lr 1/9 and momentum 4/9. Momentum swings more widely at first and arrives four times sooner.",
    set: { surface: { surface: "bowl", condition: 25, start1: 2, start2: 0.8 }, a: { lr: 2 / 26, momentum: 0 }, b: { lr: 1 / 9, momentum: 4 / 9 }, on: ["momentum"], speed: 10, arrows: ["g", "v"] },
    until: 200,
    figures: [
      ["steps to a millionth, gradient descent", 173, 173, stepsTo(1e-6, "a", "momentum")],
      ["steps to a millionth, momentum", 43, 43, stepsTo(1e-6, "b", "momentum")],
    ],
  },
  {
    id: "nesterov", chapter: "3-nesterov", title: "Chapter 3: Nesterov brakes in time",
    text: "Momentum swings across the valley several times. Nesterov takes its gradient ahead, brakes, and follows the floor after a few steps.",
    set: { a: { lr: 0.02 }, on: ["momentum", "nesterov"], speed: 10, arrows: ["g", "v"] },
    until: 40,
    figures: [
      ["sharpness where momentum arrives", 8.4, 8.7, curvatureOf("a", "momentum")],
      ["sharpness where Nesterov arrives", 8.79, 8.82, curvatureOf("a", "nesterov")],
    ],
  },
  {
    id: "adam", chapter: "4-adam-and-adamw", title: "Chapter 4: Adam corrects along the axes only",
    text: "A bowl of condition number 25, turned by 45 degrees. Adam wanders along the floor: it divides weight by weight, and here every weight sees the same mixture of flat and steep. Set “turned by” to 0 and run again: Adam ends several times closer. Gradient descent does not notice the turn.",
    set: { surface: { surface: "bowl", condition: 25, turn: 45, start1: 0.8485281374238570, start2: 1.9798989873223332 }, a: { lr: 0.1 }, on: ["adam"], speed: 10, arrows: ["g"] },
    until: 100,
    figures: [["log10 of Adam's distance after 100 steps, turned bowl", -1.35, -1.25, (runs) => Math.log10(sizeOf("a", "adam")(runs))]],
  },
  {
    id: "sharp-minimum", chapter: "5-flat-and-sharp-minima", title: "Chapter 5: a sharp minimum that cannot be held",
    text: "Gradient descent starts 0.01 above the minimum (3, 1/3), whose curvature is 9.11. A, lr 0.1: it stays, for 2 / lr is 20. B, lr 0.3: it leaves, and settles where the curvature is below 2 / lr = 6.67.",
    set: { surface: { start1: 3, start2: 0.34333333333333332 }, a: { lr: 0.1 }, b: { lr: 0.3 }, on: ["gd"], speed: 60, arrows: ["g"] },
    until: 4000,
    figures: [
      ["sharpness at lr 0.1", 9.09, 9.11, curvatureOf("a", "gd")],
      ["sharpness at lr 0.3", 3.15, 3.17, curvatureOf("b", "gd")],
    ],
  },
  {
    id: "flat", chapter: "6-sam", title: "Chapter 6: SAM drifts to the flat minimum",
    text: "All of w1 w2 = 1 has loss 0. Momentum stops where it arrives. SAM and MSAM go on along the curve, to (1, 1), the flattest minimum. Watch the sharpness: it falls after the loss has become small.",
    set: { a: { lr: 0.02, rho: 0.05 }, on: ["momentum", "sam", "msam"], speed: 300, arrows: ["e"] },
    until: 5000,
    figures: [
      ["sharpness, momentum", 8.5, 8.52, curvatureOf("a", "momentum")],
      ["sharpness, SAM", 1.99, 2.01, curvatureOf("a", "sam")],
      ["sharpness, MSAM", 1.98, 2.01, curvatureOf("a", "msam")],
    ],
  },
  {
    id: "two-cycle", chapter: "6-sam", title: "Chapter 6: SAM's cycle of two points",
    text: "A bowl of curvature 1, no momentum, lr 0.1, rho 0.1. Gradient descent converges. SAM takes its gradients at distance rho and ends in a cycle of two points at |w| = lr h rho / (2 − lr h) = 0.00526. The map is zoomed in.",
    set: { surface: { surface: "bowl", condition: 1, start1: 0.03, start2: 0 }, a: { lr: 0.1, momentum: 0, rho: 0.1 }, on: ["gd", "sam"], speed: 10, arrows: ["g"], view: [-0.02, 0.04, -0.02, 0.02] },
    until: 300,
    figures: [
      ["|w| of SAM", 0.005263, 0.005264, sizeOf("a", "sam")],
      ["|w| of gradient descent", 0, 1e-12, sizeOf("a", "gd")],
      ["SAM changes sides: w1 now over w1 a step before", -1.000001, -0.999999, (runs) => at("a", "sam")(runs).w1 / runs.a.sam.at(runs.until - 1).w1],
    ],
  },
  {
    id: "parking", chapter: "7-msam", title: "Chapter 7: MSAM parks at distance rho",
    text: "A bowl of curvature 1, rho 0.1, momentum 0.9. A, lr 0.002: nothing swings, the point where MSAM takes its gradient arrives at the minimum, and the weights stop at distance rho from it. B, lr 0.1: they swing, and end in a cycle close to the minimum.",
    set: { surface: { surface: "bowl", condition: 1, start1: 1, start2: 0 }, a: { lr: 0.002, rho: 0.1 }, b: { lr: 0.1 }, on: ["msam"], speed: 300, arrows: ["e", "v"], view: [-0.4, 1.1, -0.75, 0.75] },
    until: 4000,
    figures: [
      ["|w| at lr 0.002: rho", 0.0999999, 0.1000001, sizeOf("a", "msam")],
      ["|w| at lr 0.1: lr h rho / (2 + 2 m − lr h)", 0.0027026, 0.0027028, sizeOf("b", "msam")],
    ],
  },
  {
    id: "wrong-sign", chapter: "7-msam", title: "Chapter 7: the wrong sign",
    text: "A, rho 0.1: MSAM takes its gradients ahead and ends at the flattest minimum. B, rho −0.1: it takes them behind itself, leaves the sharp minimum by jumping across the valley, does not settle, and its loss stays high.",
    set: { a: { lr: 0.02, rho: 0.1 }, b: { rho: -0.1 }, on: ["msam"], speed: 300, arrows: ["e", "v"] },
    until: 5000,
    figures: [
      ["loss with rho 0.1", 0.0001, 0.0002, lossOf("a", "msam")],
      ["largest loss of the last 100 steps with rho −0.1", 0.02, 0.1, (runs) => Math.max(...Array.from({ length: 100 }, (_, i) => runs.b.msam.at(runs.until - i).loss))],
    ],
  },
  {
    id: "nesterov-is-msam", chapter: "8-nesterov-and-msam", title: "Chapter 8: Nesterov is MSAM with a shrinking rho",
    text: "With rho = lr · m · |v|, MSAM takes its gradients exactly at Nesterov's weights, which are look-ahead points: the small circle, where MSAM took its last gradient, is on Nesterov's path, one point before Nesterov's mark.",
    set: { a: { lr: 0.02 }, on: ["nesterov", "msam-nesterov"], speed: 5, arrows: ["e"], view: [2.88, 3.06, 0.22, 0.52] },
    until: 300,
    figures: [
      ["largest distance in 300 steps from Nesterov's weights to where MSAM takes its gradient", 0, 1e-12, (runs) => {
        let largest = 0;
        for (let i = 0; i < runs.until; ++i) {
          const n = runs.a.nesterov.at(i), m = runs.a["msam-nesterov"].at(i);
          largest = Math.max(largest, Math.hypot(n.w1 - m.at1, n.w2 - m.at2));
        }
        return largest;
      }],
    ],
  },
  {
    id: "noise", chapter: "6-sam", title: "Lab 1: noise also drifts to flat places",
    text: "Each step sees another label: 1 plus a normal number of standard deviation 0.1. Momentum alone now drifts along the valley too, slowly. Other seeds take other ways; over 40 of them lab 1 finds a mean sharpness of 2.3 after 5,000 steps.",
    set: { surface: { surface: "noisy-valley" }, a: { lr: 0.02, noise: 0.1 }, on: ["momentum"], speed: 300, arrows: ["g"] },
    until: 5000,
    figures: [["sharpness of this run", 1.8, 3.2, curvatureOf("a", "momentum")]],
  },
];

const networkLessons = [
  {
    id: "flat-network", chapter: "6-sam", title: "Chapter 6: SAM's network is flatter",
    text: "Two moons, 100 points, 10 of them with a wrong label. Three networks start from the same weights; each step sees all points. After 1,500 gradients momentum has fitted nearly all labels, the wrong ones too, at a sharp place. SAM has fitted fewer of them, and is flatter, with half the steps. This is one run: what holds on average, labs 3 and 6 measure.",
    until: 1500,
    set: { batch: "1000", lr: 0.1, rho: 0.1, rhoMsam: 0.3 },
    figures: [
      ["share of the training labels that momentum fits", 0.97, 1, (runs) => runs.momentum.trainAccuracy],
      ["share of them that SAM fits", 0.91, 0.96, (runs) => runs.sam.trainAccuracy],
      ["sharpness, momentum", 10, 40, (runs) => runs.momentum.curvature],
      ["sharpness, SAM", 2, 8, (runs) => runs.sam.curvature],
      ["test loss of SAM over that of momentum", 0.3, 0.7, (runs) => runs.sam.testLoss / runs.momentum.testLoss],
    ],
  },
];
