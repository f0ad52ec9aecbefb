"""Which convention does thermal noise obey? A diode at T1 and a resistor at T2 charge one capacitor.

The conductance of the diode jumps at V = 0, and with it the noise. At T1 = T2 the second law wants p ~ exp(-C V^2 / 2kT)
and no mean voltage. Klimontovich gives that; Ito and Stratonovich give a mean voltage at one temperature, which
charges a battery put in series with the resistor: work out of a single bath, the demon of Brillouin. (SGD is no thermal
bath and reads its noise as Ito does.) By hand, each side of V = 0 is half of a Gaussian of variance k T_side / C, with
T_side = (T1 g + T2 G) / (g + G); only D^(alpha - 1) p and the current are continuous between them.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fp

FORWARD, REVERSE, RESISTOR = 1.0, 0.1, 0.3  # conductances; Boltzmann's constant, C and T2 are 1
RATIOS = np.append(np.geomspace(0.1, 10.0, 20), 1.0)
CONVENTIONS = {"klimontovich": 1.0, "stratonovich": 0.5, "ito": 0.0}


def rest(convention, t1=1.0, battery=0.0, cells=600):
    """Stationary state at diode temperature t1; an even number of cells puts the jump on a face."""

    def diode(v):
        return np.where(v > 0.0, FORWARD, REVERSE)

    eq = fp.FokkerPlanck(
        drift=lambda v: -diode(v) * v - RESISTOR * (v - battery),
        diffusion=lambda v: t1 * diode(v) + RESISTOR,
        convention=convention,
    )
    return fp.stationary(eq, fp.Grid(8.0 * max(1.0, t1) ** 0.5 * np.array([-1.0, 1.0]), cells))


def by_hand(alpha, t1=1.0):
    """Mean voltage in closed form, and the probability of V > 0."""
    g = np.array([REVERSE, FORWARD])
    d = t1 * g + RESISTOR
    scale = np.sqrt(d / (g + RESISTOR))
    share = d ** (alpha - 1.0) * scale / (d ** (alpha - 1.0) * scale).sum()
    return np.sqrt(2.0 / np.pi) * (share * scale) @ [-1.0, 1.0], share[1]


def main(ratios=RATIOS, cells=600, picture="results/diode_resistor.png"):
    """Print and draw densities and mean voltages; return the latter and the power into a battery at one temperature."""
    ratios, curves, power = np.sort(ratios), {}, {}
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, alpha), line in zip(CONVENTIONS.items(), ("-", "--", ":"), strict=True):
        curves[name] = np.array([rest(name, t1, cells=cells).mean()[0] for t1 in ratios])
        np.testing.assert_allclose(curves[name], [by_hand(alpha, t1)[0] for t1 in ratios], atol=1e-3)
        equal, emf = rest(name, cells=cells), by_hand(0.0)[0] / 8.0  # a weak battery that Ito's mean voltage overcomes
        power[name] = emf * RESISTOR * (rest(name, battery=emf, cells=cells).mean()[0] - emf)
        print(f"{name:<13} T1 = T2: mean voltage {equal.mean()[0]:+z.4f}, power into the battery {power[name]:+.5f}")
        left.plot(equal.grid.centers[0], equal.density, line, label=name)
        right.plot(ratios, curves[name], line, label=name)
    assert power["klimontovich"] < 0.0 < min(power["stratonovich"], power["ito"])  # the second law, kept and broken
    left.set(xlim=(-4, 4), ylim=(0, None), xlabel="voltage", ylabel="density", title="one temperature")
    right.set(xscale="log", xlabel="T1 (diode) / T2 (resistor)", ylabel="mean voltage", title="two temperatures")
    right.set_xticks([0.1, 1.0, 10.0], ["0.1", "1", "10"])
    right.plot(1.0, 0.0, "ko", label="second law")
    right.legend()
    Path(picture).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=100)
    return curves, power


if __name__ == "__main__":
    main()
