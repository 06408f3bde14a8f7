"""The block pool: which pages of the cache are free, and how many sequences share each of the others."""


class BlockPool:
    """Hands out pages 1 to ``num_pages`` - 1 and takes them back; ``free`` + ``used`` is always ``total``.

    Page 0 is nobody's: block tables hold it where they hold no page, so that reading it finds zeros. A page that
    several sequences share is free again when the last of them has given it back. Only this class changes the counts.
    """

    def __init__(self, num_pages: int) -> None:
        assert num_pages >= 2, "a pool needs page 0 and one more"
        self._free = list(range(num_pages - 1, 0, -1))
        self._owners = [0] * num_pages

    @property
    def total(self) -> int:
        """Pages that can be handed out."""
        return len(self._owners) - 1

    @property
    def free(self) -> int:
        """Pages that nobody holds."""
        return len(self._free)

    @property
    def used(self) -> int:
        """Pages that somebody holds."""
        return sum(1 for owners in self._owners if owners)

    def take(self, count: int) -> list[int]:
        """Hands out ``count`` free pages; the caller has looked that there are as many."""
        assert 0 <= count <= len(self._free), f"{count} pages taken of {len(self._free)} free"
        taken = [self._free.pop() for _ in range(count)]
        for page in taken:
            assert self._owners[page] == 0, f"page {page} was free and held at once"
            self._owners[page] = 1
        return taken

    def share(self, pages: list[int]) -> None:
        """Gives each of ``pages``, all of them held, one more owner."""
        for page in pages:
            assert self._owners[page] > 0, f"page {page} is shared but nobody holds it"
            self._owners[page] += 1

    def release(self, pages: list[int]) -> None:
        """Takes one owner off each of ``pages``; those without any are free again."""
        for page in pages:
            assert self._owners[page] > 0, f"page {page} is given back but nobody holds it"
            self._owners[page] -= 1
            if not self._owners[page]:
                self._free.append(page)
