"""The block pool: which pages of the cache are free, which are held and by how many, and what the others remember.

A page that was read to its end can be given a key, the name of all tokens up to there (``prefix``). Given back by its
last owner it is cached: whoever asks for its key may hold it again, until the pool runs out of free pages and takes the
one that nobody has wanted for longest.
"""


class BlockPool:
    """Hands out pages 1 to ``num_pages`` - 1 and takes them back; ``free`` + ``used`` + ``cached`` is always ``total``.

    Page 0 is nobody's: block tables hold it where they hold no page, so that reading it finds zeros. A page that
    several sequences share is given back when the last of them has given it back. Only this class changes the counts.
    """

    def __init__(self, num_pages: int) -> None:
        assert num_pages >= 2, "a pool needs page 0 and one more"
        self._free = list(range(num_pages - 1, 0, -1))
        # Pages without an owner that have a key, the one that was given back first in front.
        self._cached: dict[int, None] = {}
        self._owners = [0] * num_pages
        self._key_of: dict[int, bytes] = {}
        self._page_of: dict[bytes, int] = {}

    @property
    def total(self) -> int:
        """Pages that can be handed out."""
        return len(self._owners) - 1

    @property
    def free(self) -> int:
        """Pages that nobody holds, and that hold nothing that anyone could want."""
        return len(self._free)

    @property
    def cached(self) -> int:
        """Pages that nobody holds, and that are found by their keys until they are handed out."""
        return len(self._cached)

    @property
    def available(self) -> int:
        """Pages that ``take`` can hand out: the free and the cached."""
        return len(self._free) + len(self._cached)

    @property
    def used(self) -> int:
        """Pages that somebody holds."""
        return self.total - self.available

    def take(self, count: int) -> list[int]:
        """Hands out ``count`` pages, free ones first; the caller has looked that as many are available."""
        assert 0 <= count <= self.available, f"{count} pages taken of {self.available} available"
        taken = [self._free.pop() if self._free else self._forget_oldest() for _ in range(count)]
        for page in taken:
            assert self._owners[page] == 0, f"page {page} was free and held at once"
            self._owners[page] = 1
        return taken

    def share(self, pages: list[int]) -> None:
        """Gives each of ``pages``, which are held or cached, one more owner."""
        for page in pages:
            assert self._owners[page] > 0 or page in self._cached, f"page {page} is shared but nobody holds it"
            self._cached.pop(page, None)
            self._owners[page] += 1

    def release(self, pages: list[int]) -> None:
        """Takes one owner off each of ``pages``; those without any are cached when they have a key, else free.

        The last of them is wanted least: what it holds means nothing without those before it.
        """
        for page in reversed(pages):
            assert self._owners[page] > 0, f"page {page} is given back but nobody holds it"
            self._owners[page] -= 1
            if self._owners[page]:
                continue
            if page in self._key_of:
                self._cached[page] = None
            else:
                self._free.append(page)

    def name(self, page: int, key: bytes) -> None:
        """Gives a held page its key; a page that has one, or a key that another page has, is left as it is."""
        assert self._owners[page] > 0, f"page {page} is named but nobody holds it"
        if page not in self._key_of and key not in self._page_of:
            self._key_of[page] = key
            self._page_of[key] = page

    def unname(self, page: int) -> None:
        """Takes a held page's key away, as where what it holds is not to be trusted."""
        assert self._owners[page] > 0, f"page {page} is unnamed but nobody holds it"
        key = self._key_of.pop(page, None)
        if key is not None:
            del self._page_of[key]

    def find(self, key: bytes) -> int | None:
        """The page that has this key, held or cached."""
        return self._page_of.get(key)

    def forget(self) -> None:
        """Takes every key away, so that nothing that was read before now is found."""
        self._key_of.clear()
        self._page_of.clear()
        self._free += self._cached
        self._cached.clear()

    def _forget_oldest(self) -> int:
        page = next(iter(self._cached))
        del self._cached[page]
        del self._page_of[self._key_of.pop(page)]
        return page
