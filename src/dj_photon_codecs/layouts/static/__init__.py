"""The static body of a chunk: each pixel keeps one brightness, and frames are decoded alone.

Its words, here and in the format page:

- the *level* of a pixel is its brightness over the chunk, in steps narrower than the noise; a
  *family* of pixels varies in time about as much more than others do;
- a *class* of frames is about as bright; a *row* has the base and the table of a level in a class;
- a *bin* is 1, 2, 4, ... consecutive numbers; its *low* bits, which are noise, say which of them;
- a *symbol* is a bin less the base of its row. A table has the *frequency* of each symbol, by which
  it is written in as few bits as it can. 255 is an *escape*, for a bin that has no symbol;
- a *stream* holds the symbols of a band of pixels in some frames, and is decoded alone.
"""
