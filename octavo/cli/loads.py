"""How evenly a model's layers spread their work over their experts, as a table."""

import numpy as np
from rich import box
from rich.style import Style
from rich.table import Table
from rich.text import Text

from octavo.cli.palette import choose_ink
from octavo.cli.screen import Screen

# With more experts than this a table of all of them fits no screen.
WIDEST = 12


def load_heading(count_LE: np.ndarray, *, k: int) -> str:
    """What ``load_table`` shows: of how many tokens, and what an even load would be."""
    tokens, num_experts = int(count_LE[0].sum()) // k, count_LE.shape[1]
    return f"Load: share of {tokens:,} tokens × {k} choices in percent; even would be {100 / num_experts:.1f}"


def load_table(count_LE: np.ndarray, screen: Screen) -> Table:
    """Each expert's share of its layer's assignments in percent, the busiest expert of a layer in bold.

    ``count_LE`` counts assignments. With many experts only the extremes are shown.
    """
    num_experts = count_LE.shape[1]
    ink = choose_ink(screen, num_experts)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("layer", justify="right")
    share_LE = 100 * count_LE / np.maximum(count_LE.sum(axis=1, keepdims=True), 1)
    if num_experts <= WIDEST:
        for expert in range(num_experts):
            table.add_column(Text(f"  {expert} ", style=ink.style(expert) or Style()), justify="right")
        for layer, share_E in enumerate(share_LE):
            busiest = int(share_E.argmax())
            cells = [
                Text(f"{each:.1f}", style="bold" if expert == busiest else "") for expert, each in enumerate(share_E)
            ]
            table.add_row(str(layer), *cells)
    else:
        for name in ("busiest", "share", "idlest", "share", "idle experts"):
            table.add_column(name, justify="right")
        for layer, share_E in enumerate(share_LE):
            high, low = int(share_E.argmax()), int(share_E.argmin())
            numbers = (
                str(high),
                f"{share_E[high]:.1f}",
                str(low),
                f"{share_E[low]:.1f}",
                str(int((share_E == 0).sum())),
            )
            table.add_row(str(layer), *numbers)
    return table
