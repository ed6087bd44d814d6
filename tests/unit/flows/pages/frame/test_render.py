"""The frame of a page as text: complete, escaped, and with the hash of each script."""

import json
import re
from html.parser import HTMLParser

import pytest
import sample_page

from flows.pages.frame.inlined import as_data, hash_of
from flows.pages.frame.render import package_text, render
from flows.pages.frame.texts import interval, marked_up
from flows.pages.parts import Cell, Chart, Code, Column, Page, Section, Table


def page_of(*parts):
    """A page of one section."""
    return Page(title="T", subtitle="", footer="", sections=(Section(id="one", title="One", parts=parts),))


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Note an element."""
        self.found.append((tag, dict(attributes)))


@pytest.mark.parametrize("name", ["page.html", "parts.html", "style.css", "page.js"])
def test_the_files_of_the_frame_are_data_of_its_package(name):
    """An installed package finds them where it finds its modules."""
    assert package_text(name).strip()


def test_a_file_that_the_package_does_not_hold_is_named():
    """The message has the name."""
    with pytest.raises(FileNotFoundError, match=r"none\.css"):
        package_text("none.css")


def test_a_page_names_no_address_that_a_browser_would_load():
    """Scripts, styles and pictures are inside; the only links lead to sections of the page."""
    elements = Elements(render(sample_page.page())).found
    loaded = [a[name] for _, a in elements for name in ("src", "href", "action") if name in a]
    assert loaded
    assert all(address.startswith(("data:", "#")) for address in loaded)
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in loaded if address.startswith("#")} <= set(ids)


def test_the_policy_of_a_page_names_the_hash_of_each_of_its_scripts():
    """A browser runs these scripts, and no others."""
    text = render(sample_page.page())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    assert all(hash_of(script).replace("+", "&#43;") in policy or hash_of(script) in policy for script in scripts)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy


def test_the_runtime_of_charts_is_in_pages_with_charts_alone():
    """A page of tables is a thousandth of the size."""
    assert len(render(page_of(sample_page.table()))) < 60_000
    assert len(render(page_of(sample_page.chart()))) > 800_000


def test_a_chart_carries_its_specification():
    """The data block holds the same JSON, whatever its names are."""
    chart = sample_page.chart()
    blocks = re.findall(r'<script type="application/json">(.*?)</script>', render(page_of(chart)), re.DOTALL)
    assert [json.loads(block) for block in blocks] == [json.loads(json.dumps(chart.spec))]
    assert "<" not in blocks[0]


def test_a_number_that_is_not_finite_is_refused():
    """JSON has no such numbers, and a browser would draw no chart at all."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(page_of(Chart(title="c", description="d", spec={"value": float("nan")})))
    assert as_data({"value": 1.0}) == '{"value":1.0}'


def test_a_table_shows_marks_and_intervals_and_explains_those_that_it_has():
    """The legend names no mark that does not occur."""
    column = Column(name="top-1", kind="number", digits=1)
    rows = (
        (Cell(text="a"), Cell(text="80.0", value=80, mark="best", low=79, high=81)),
        (Cell(text="b"), Cell(text="")),
    )
    text = render(page_of(Table(caption="c", columns=(Column(name="method"), column), rows=rows)))
    assert "79.0–81.0" in text
    assert "best of its column" in text
    assert "Small: 95 % interval" in text
    assert "≈" not in text
    assert 'data-value="80"' in text


def test_words_take_code_and_bold_and_no_other_markup():
    """A mark without its partner is shown as it is."""
    long = "c" * 30  # a line may break it
    assert marked_up(f"a **b** `{long}` <i> ** `") == f"a <strong>b</strong> <code>{long}</code> &lt;i&gt; ** `"
    assert marked_up("**`b` <i>**") == '<strong><code class="whole">b</code> &lt;i&gt;</strong>'
    assert interval(Cell(text="1", low=1.0), Column(name="c")) == ""


def test_code_keeps_its_lines_and_its_blanks():
    """What somebody copies is what was given."""
    text = "models:\n  - {name: a}\n\n"
    assert f"<code>{text}</code>" in render(page_of(Code(text=text)))
