# SPDX-License-Identifier: GPL-2.0-or-later
"""What no policy can do better that maps buffers of 4 KiB one at a time.

Of each block of 256 KiB (64 pages, 16 frames) `density` pages are asked for, any of them and in any order; blocks lie
anywhere, so that nothing can be known of one before it is met.  A policy has to answer each request at once, cannot move
what is mapped, and may map as many frames of the block with it as it likes.  Then all it decides is how many frames it
has mapped after each request.  With c of them after the j-th, the next one needs no mapping in (4c - j) of (64 - j) cases.

least() is the least expected price of a block when a mapping costs one thing and a frame another; no policy, whatever it
does and however it mixes what it does, has a point below that line, for any two prices.  The rest follows: the best of
these lines.
"""
FRAMES, PAGES = 16, 64


def least(density, mapping, frame):
    """Of a block, on average: over the frames mapped after the last request, then backwards to the first."""
    price = [frame * c for c in range(FRAMES + 1)]
    for j in range(density - 1, 0, -1):
        before = [0.0] * (FRAMES + 1)
        for c in range(FRAMES, 0, -1):
            if c == FRAMES:
                before[c] = price[c]
                continue
            hit = max(4 * c - j, 0) / (PAGES - j)
            stay = hit * price[c] + (1 - hit) * (mapping + price[c + 1])
            # Before the request more may have been mapped.
            before[c] = min(stay, before[c + 1])
        price = before
    return mapping + min(price[1:])


PRICES = [i / 500 for i in range(1500)]


def most_blocks(density, mappings, frames):
    """That fit in so many mappings and so many frames."""
    return min([(mappings + p * frames) / least(density, 1, p) for p in PRICES] + [frames / least(density, 0, 1)])


def fewest_mappings(density, frames):
    """Of a block that has so many frames mapped on average."""
    return max(least(density, 1, p) - p * frames for p in PRICES)


def fewest_frames(density, mappings):
    """Of a block with so many mappings on average."""
    return max(least(density, p, 1) - p * mappings for p in PRICES)
