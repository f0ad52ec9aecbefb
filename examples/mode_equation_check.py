"""Does the equation of one mode describe a whole network? Balanced aligned starts at depth 2, one mode and three.

One mode alone follows its equation. Modes that learn together share their batches, which shifts their means by an amount of
the order of the learning rate over the batch size: small_noise_modes predicts it, and it vanishes with that ratio.
"""

import numpy as np

from fokkerplanck.deep_linear import AlignedStart, DeepLinear, ModeEquation, mode_strengths, small_noise_modes, train

START, NOISE, TIMES = 0.05, 0.1, np.array([0.5, 1.0, 1.5, 2.5])  # TIMES: learning rate times steps
CASES = {  # widths, teacher, learning rate, batch size, runs
    "one mode": ((1, 4, 1), (1.0,), 0.01, 1, 4000),
    "three modes": ((3, 4, 3), (1.5, 1.0, 0.6), 0.01, 1, 4000),
    "three modes, little noise": ((3, 4, 3), (1.5, 1.0, 0.6), 0.002, 4, 400),
}


def check(widths, teacher, rate, batch, runs):
    """Mean of the networks, its error, mean by the equation, and the predicted mean, each (n_steps, k)."""
    net = DeepLinear(widths, teacher, rate, batch, NOISE)
    steps = np.rint(TIMES / rate).astype(int).tolist()
    left, targets, right = net.teacher_modes
    trained = train(net, AlignedStart(START), steps, n_runs=runs, seed=1)
    strengths = mode_strengths(trained.end_to_end, left, right)
    modes = [ModeEquation(net.depth, float(s), rate, batch, NOISE) for s in targets]
    equation = np.column_stack([mode.density(START, steps).mean() for mode in modes])
    weights = AlignedStart(START).draw(net, np.random.default_rng(0))
    predicted = small_noise_modes(net, weights, steps).mean
    return strengths.mean(axis=1), strengths.std(axis=1) / np.sqrt(runs), equation, predicted


def main(scale=1.0):
    """Print, for each case and mode, how far networks are from the equation, and how far they should be."""
    results = {}
    for name, (widths, teacher, rate, batch, runs) in CASES.items():
        results[name] = check(widths, teacher, rate, batch, int(scale * runs))
        print(f"{name}: learning rate {rate:g}, batches of {batch}")
        print("  target  time   network    +-     equation  deviation  predicted")
        for i, target in enumerate(teacher):
            for time, *row in zip(TIMES, *results[name], strict=True):
                mean, error, equation, predicted = (column[i] for column in row)
                print(
                    f"  {target:6.1f} {time:5.1f}  {mean:8.4f}  {error:.4f}  {equation:8.4f}"
                    f"   {mean - equation:+.4f}    {predicted - equation:+.4f}"
                )
    return results


if __name__ == "__main__":
    main()
