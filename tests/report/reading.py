"""A page of a report, read without a browser."""

import json
import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """The first table's rows, the tags with their attributes, the texts of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.spans, self.tags, self.inside, self.tables = [], [], [], [], 0
        self.raw = {"script": [], "style": []}
        self.said = []
        self.feed(text)
        self.data = json.loads(self.raw["script"][0])

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append((tag, told))
        self.inside.append(tag)
        self.tables += tag == "table"
        if tag in self.raw:
            self.raw[tag].append("")
        if "data-said" in told:
            self.said.append("")
        if self.tables != 1:
            return
        if tag == "tr":
            self.rows.append([])
            self.spans.append(0)
        if tag in ("th", "td"):
            self.rows[-1].append("")
            self.spans[-1] += int(told.get("colspan", 1))

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not self.inside:
            return
        if self.inside[-1] in self.raw:
            self.raw[self.inside[-1]][-1] += data
        elif self.tables == 1 and self.inside[-1] in ("th", "td"):
            self.rows[-1][-1] += data

    @property
    def policy(self):
        (content,) = [told["content"] for tag, told in self.tags if tag == "meta" and "http-equiv" in told]
        return dict(re.match(r"(\S+) (.*)", part.strip()).groups() for part in content.split(";"))

    def table(self, number=0):
        """The rows that the script makes a table of: cells by their columns' titles."""
        table = self.data["tables"][number]
        titles = [column["title"] for column in table["columns"]]
        return [dict(zip(titles, (self.data["texts"][n] for n in row["c"]), strict=True)) for row in table["rows"]]
