"""Reads the page of a report as a browser does, for the tests of reports."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """The text of a page's body by section, its addresses, and whether its tags balance."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.links, self.ids, self.tags = [], {}, [], [], []
        self.section = "top"
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.links += [given[key] for key in ("href", "src") if key in given]
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "section":
            self.section = given["id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            words = self.text.get(self.section, "")
            self.text[self.section] = " ".join(f"{words} {data}".split())


def page_of(report):
    page = Page(report.page.read_text())
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    return page
