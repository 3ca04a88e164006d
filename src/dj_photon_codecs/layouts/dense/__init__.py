"""The layout `photon.dense`: each code in as few bits as its predicted brightness allows.

Its words, here and in the format page:

- the *brightness* of a pixel is predicted from the frames before; a *key* is a narrow range of it;
- a *level* is a range of keys, much narrower than the noise, with a *base*; neighbouring levels
  share a *table*;
- a *symbol* is a code less the base of its level, without `low` bits that are noise only. A table
  has the *frequency* of each symbol, by which rANS (`rans.py`) writes it in as few bits as it can;
- an *escape* is a code that has no symbol. Its symbol is 255, and the code is listed apart.
"""
