# a digit → the strokes a hand draws it with: points in a square of 1 × 1, y downwards.
from math import cos, pi, sin


def arc(x, y, rx, ry, start, end, steps=24):
    """Degrees, 0 to the right, growing clockwise as y does."""
    return [(x + rx * cos(pi * a / 180), y + ry * sin(pi * a / 180)) for a in (start + (end - start) * i / steps for i in range(steps + 1))]


def line(*points, steps=8):
    path = []
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        path += [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(steps + 1)]
    return path


DIGITS = {
    0: [arc(.5, .5, .2, .32, -90, 270)],
    1: [line((.5, .18), (.5, .82))],
    2: [arc(.5, .36, .2, .18, -170, 20) + line((.67, .45), (.3, .8)) + line((.3, .8), (.74, .8))],
    3: [arc(.46, .34, .2, .16, -140, 90) + arc(.46, .66, .22, .17, -90, 140)],
    4: [line((.34, .2), (.3, .54), (.72, .54)), line((.64, .2), (.64, .84))],
    5: [line((.68, .2), (.38, .2), (.35, .46)) + arc(.48, .62, .2, .19, -130, 130)],
    6: [arc(.66, .5, .34, .34, -110, -180) + arc(.5, .64, .18, .18, 180, 540)],
    7: [line((.28, .22), (.72, .22), (.44, .84))],
    8: [arc(.5, .34, .15, .15, 90, -270) + arc(.5, .66, .19, .17, -90, 270)],
    9: [arc(.5, .36, .17, .17, 0, -360) + line((.67, .36), (.64, .84))],
}
