"""The layout `photon.grouped`: pixels of like brightness next to each other, for a compressor.

Its words, here and in the format page:

- a *group* is 1, 2, 4 or 8 neighbouring pixels; a *class* is all groups of like brightness, and so
  of like noise;
- the *base* of a pixel is subtracted from its codes: the base of its class, plus an *offset* in
  units of the class;
- of each difference, a class stores two fields: *bits*, and *low* bits below them, which are noise.
  Classes with the same two widths are a *kind*;
- a *plane* is one field of all pixels of a kind, 1, 2, 4 or 8 bits wide, several frames in a byte;
- an *event* is a difference that needs more than both fields. What exceeds them is its *excess*,
  and the number of codes between it and the event before is its *gap*.
"""
