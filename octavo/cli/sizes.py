"""Numbers as people read them: digits in groups, three figures, decimal prefixes."""

PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def short(number: float, unit: str = "") -> str:
    """Three figures and a decimal prefix: 46_702_792_704 is 46.7 G, of bytes 46.7 GB."""
    value, power = float(number), 0
    # 999.5 rounds up to 1000, which is 1.00 of the next prefix.
    while abs(value) >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    digits = 0 if power == 0 and value == int(value) else 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {PREFIXES[power]}{unit}".rstrip()


def billions(number: int) -> str:
    """Parameters as model names write them: 46.7 B, 16.3 M."""
    return short(number).replace("G", "B").replace("k", "K")


def share(part: float, whole: float) -> str:
    """A part of a whole in percent, to two decimals."""
    percent = 100 * part / whole
    return "< 0.01%" if 0 < percent < 0.005 else f"{percent:.2f}%"
