"""The page of a report in Chromium: what it shows is what was found, from a file that asks for nothing else."""

import pytest
from tests import networks
from tests.browser.report_pages import HOSTILE, NETWORKS, axe, cells, hostile, saved

import layerscope as ls
from layerscope import studies
from layerscope.telling import View, describe


def opened(tab, trace, tmp_path, link="#lang=en", **options):
    page = tab(**options)
    page.goto(saved(trace, tmp_path / "report.html") + link)
    return page


def shown(trace, **view):
    """The rows that the table should have: cells, or a sentence and the cells from the first number on."""
    found = describe(trace.graph, trace.journey, View(**view))
    first = next(n for n, column in enumerate(found.columns) if column.right)
    rows = []
    for row in found.rows:
        told = [row.cells[column.key] for column in found.columns]
        rows.append([row.sentence, *told[first:]] if row.sentence else told)
    return [[column.title for column in found.columns], *rows]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_cell_is_what_was_found_and_nothing_is_asked_for(tab, tmp_path, name):
    trace = NETWORKS[name]()
    page = opened(tab, trace, tmp_path)
    assert cells(page) == shown(trace)
    assert page.requests == [(tmp_path / "report.html").as_uri()]
    assert page.said == []
    assert page.title() == describe(trace.graph, trace.journey).title


def test_all_columns_can_be_shown(tab, tmp_path):
    trace = ls.trace("example:autoencoder-transpose")
    page = opened(tab, trace, tmp_path)
    page.click("details.columns summary")
    for number in range(page.locator("details.columns input").count()):
        page.locator("details.columns input").nth(number).check()
    told = cells(page)
    usual, every = shown(trace)[0], shown(trace, columns="all")
    assert set(told[0]) == set(every[0])
    assert told[0][: len(usual)] != []
    for number, row in enumerate(told[1:], 1):
        assert dict(zip(told[0], row, strict=True)) == dict(zip(every[0], every[number], strict=True))
    page.keyboard.press("Escape")
    assert page.locator("details.columns[open]").count() == 0
    page.click("details.columns summary")
    page.locator("details.columns label", has_text="kind").locator("input").uncheck()
    assert "kind" not in cells(page)[0]


def test_sorting_orders_numbers_and_not_their_letters(tab, tmp_path):
    trace = ls.trace("example:autoencoder")
    page = opened(tab, trace, tmp_path)
    layers = {layer["name"]: layer for layer in trace.layers}

    def column(title):
        told = cells(page)
        place = told[0].index(title)
        return [(row[0], row[place]) for row in told[1:]]

    page.click("thead button:text-is('parameters')")
    found = [layers[name]["parameters"] for name, _ in column("parameters")]
    assert found == sorted(found, reverse=True)
    assert found[:4] == [1168, 1160, 296, 292]
    assert page.get_attribute("thead th:has(button:text-is('parameters'))", "aria-sort") == "descending"
    page.click("thead button:text-is('parameters')")
    found = [layers[name]["parameters"] for name, _ in column("parameters")]
    assert found == sorted(found)
    assert page.get_attribute("thead th:has(button:text-is('parameters'))", "aria-sort") == "ascending"
    page.click("thead button:text-is('parameters')")
    assert cells(page) == shown(trace)
    assert page.locator("[aria-sort]").count() == 0
    page.click("thead button:text-is('data')")
    ratios = [layers[name]["ratio"] for name, _ in column("data") if name != "input_layer"]
    assert ratios == sorted(ratios)
    page.click("thead button:text-is('output')")
    sizes = [layers[name]["output_shape"][1:] for name, _ in column("output")]
    counts = [a * b * c for a, b, c in sizes]
    assert counts == sorted(counts)


def test_folds_open_and_search_finds_layers_within_them(tab, tmp_path):
    trace = NETWORKS["folded"]()
    page = opened(tab, trace, tmp_path)
    folded = len(shown(trace)) - 1
    assert page.inner_text('[role="status"]') == f"{folded - 1} of {len(trace)} rows"
    page.click("tbody button.fold")
    names = [row[0] for row in cells(page)[1:]]
    inside = [layer["name"] for layer in trace.layers]
    assert [name for name in names if name in inside] == inside
    assert page.get_attribute("tbody button.fold", "aria-expanded") == "true"
    page.click("button.unfold")
    assert page.inner_text("button.unfold") == "Unfold"
    assert cells(page) == shown(trace)
    page.fill('input[type="search"]', "CONV2D_4")
    assert [row[0] for row in cells(page)[1:]] == ["conv2d_4"]
    assert page.inner_text('[role="status"]') == f"1 of {len(trace)} rows"
    page.fill('input[type="search"]', "no such layer")
    assert cells(page)[1:] == []


def test_a_row_shows_what_it_sees_by_pointer_and_by_keys(tab, tmp_path):
    trace = ls.trace("example:autoencoder")
    page = opened(tab, trace, tmp_path)
    page.hover("tbody tr:nth-child(7)")
    told = "Its middle position sees 22 × 22 of the 28 × 28 positions of input_layer."
    assert page.inner_text(".view p") == f"{told} What is dashed lies in the padding."
    field = trace.receptive_field("max_pooling2d_2", (2, 2))
    low, high = field.inputs[0].box[0]
    seen = page.evaluate("(e => [e.x, e.y, e.width, e.height].map((part) => part.baseVal.value))"
                         "(document.querySelector('.view .seen'))")  # fmt: skip
    plane = page.evaluate("document.querySelector('.view .plane').width.baseVal.value")
    unit = plane / 28
    assert seen[2] == pytest.approx((high - low + 1) * unit)
    assert seen[0] - page.evaluate("document.querySelector('.view .plane').x.baseVal.value") == pytest.approx(
        low * unit
    )
    assert page.locator(".drawing g.on title").text_content() == "max_pooling2d_2: MaxPooling2D, 4 × 4 × 4"
    page.locator("tbody tr").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.inner_text(".view h3") == "conv2d"
    page.keyboard.press("End")
    assert page.inner_text(".view h3") == "conv2d_6"
    assert page.locator("tbody tr[tabindex='0']").count() == 1
    page.keyboard.press("Escape")
    assert page.inner_text(".view h3") == "Receptive field"
    page.click(".drawing g[data-row='3']")
    assert page.evaluate("document.activeElement.cells[0].textContent") == "conv2d_1"


def test_figure_and_rows_stay_together_where_the_table_is_sorted(tab, tmp_path):
    trace = ls.trace("example:autoencoder")
    page = tab()
    page.goto(saved(trace, tmp_path / "report.html", sort="macs", top=4) + "#lang=en")
    first = cells(page)[1][0]
    page.hover("tbody tr:nth-child(1)")
    assert page.locator(".drawing g.on title").text_content().startswith(f"{first}: ")


def test_names_are_never_markup(tab, tmp_path):
    trace = hostile()
    page = opened(tab, trace, tmp_path, "#lang=ko")
    assert page.evaluate("document.querySelectorAll('img, script[src]').length") == 0
    assert page.evaluate("document.scripts.length") == 2
    assert HOSTILE in [row[0] for row in cells(page)]
    for number in range(1, 6):
        page.hover(f"tbody tr:nth-child({number})")
    page.click("thead button >> nth=0")
    page.fill('input[type="search"]', HOSTILE[:20]) if page.locator('input[type="search"]').count() else None
    assert page.said == []
    assert "everything" in [row[0] for row in cells(page)], "the name of a layer is not translated"


def test_the_policy_refuses_what_the_page_does_not_need(tab, tmp_path):
    page = opened(tab, ls.trace("example:autoencoder"), tmp_path)
    assert page.evaluate("fetch('https://example.org/').then(() => 'went', () => 'refused')") == "refused"
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    assert page.evaluate("window.ran") is None
    assert sum("Content Security Policy" in said for said in page.said) >= 2


def test_language_and_theme_are_the_links(tab, tmp_path):
    trace = ls.trace("example:autoencoder")
    page = opened(tab, trace, tmp_path, "#lang=ko&theme=dark", color_scheme="light")
    assert cells(page)[0] == ["레이어", "종류", "출력", "가중치", "파라미터", "MAC", "수용 영역", "데이터"]
    assert cells(page)[2] == [
        "conv2d",
        "Conv2D",
        "28 × 28 × 16",
        "kernel 3×3×1×16, bias 16",
        "160",
        "112,896",
        "3 × 3",
        "풍부 ×16",
    ]
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    page.select_option("#language", "en")
    assert cells(page) == shown(trace)
    page.select_option("#theme", "light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("location.hash") == "#lang=en&theme=light"


def test_a_reader_of_korean_gets_it_unasked(tab, tmp_path):
    page = opened(tab, ls.trace("example:autoencoder"), tmp_path, "", locale="ko-KR")
    assert cells(page)[0][0] == "레이어"


@pytest.mark.parametrize(
    "state", ["#lang=en&theme=light", "#lang=ko&theme=dark", "#lang=en&theme=dark", "#lang=ko&theme=light"]
)
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_axe_finds_nothing(tab, tmp_path, state, width):
    page = opened(tab, NETWORKS["folded"](), tmp_path, state, viewport={"width": width, "height": 900})
    page.click("tbody button.fold")
    page.hover("tbody tr:nth-child(3)")
    assert axe(page) == []
    page.click("details.columns summary")
    page.click("details.words summary")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "only tables and figures are wider"


def test_axe_can_find_something(tab, tmp_path):
    page = opened(tab, ls.trace("example:autoencoder"), tmp_path)
    page.evaluate("document.querySelector('#theme').parentElement.replaceWith(document.querySelector('#theme'))")
    assert any(found.startswith("select-name") for found in axe(page))


def test_forced_colours_keep_boxes_and_rows_apart(tab, tmp_path):
    page = opened(tab, ls.trace("example:autoencoder"), tmp_path, forced_colors="active")
    colours = page.evaluate(
        "['.o-condense', '.f-enrich'].map((name) => getComputedStyle(document.querySelector(`.drawing ${name}`)).fill)"
    )
    assert colours[0] != colours[1]
    page.hover("tbody tr:nth-child(3)")
    assert page.evaluate("getComputedStyle(document.querySelector('tbody tr.on > *')).outlineStyle") == "solid"


def test_targets_are_large_enough_and_focus_is_seen(tab, tmp_path):
    page = opened(tab, NETWORKS["folded"](), tmp_path)
    small = page.evaluate("""[...document.querySelectorAll("button, select, input, summary")].filter((one) => {
      const box = (one.closest("label") ?? one).getBoundingClientRect();
      return box.width && (box.width < 24 || box.height < 24);
    }).map((one) => one.outerHTML)""")
    assert small == []
    stops = 0
    for _ in range(40):
        page.keyboard.press("Tab")
        told = page.evaluate("""(() => {
          const one = document.activeElement;
          return one === document.body ? null : getComputedStyle(one).outlineStyle;
        })()""")
        if told is None:
            break
        stops += 1
        assert told != "none"
    assert stops >= 12


def test_in_a_notebook_the_page_runs_in_a_frame_without_rights(tab):
    trace = ls.trace("example:autoencoder")
    page = tab()
    page.set_content(f"<h1>Notebook</h1>{trace._repr_html_()}")
    frame = page.frames[1]
    frame.wait_for_selector("tbody tr[tabindex='0']")
    assert cells(frame) == shown(trace)
    frame.click("thead button:text-is('MACs')")
    assert frame.inner_text("tbody tr th") == "conv2d_1"
    frame.select_option("#language", "ko")
    assert cells(frame)[0][0] == "레이어"
    assert page.said == []
    assert page.evaluate("document.querySelector('iframe').contentDocument") is None


def test_nbconvert_keeps_it(tab, tmp_path):
    import nbformat
    from nbconvert import HTMLExporter

    trace = ls.trace("example:autoencoder")
    shown_data = {"text/html": trace._repr_html_(), "text/plain": repr(trace)}
    output = nbformat.v4.new_output("execute_result", data=shown_data, execution_count=1)
    cell = nbformat.v4.new_code_cell("ls.trace('example:autoencoder')", outputs=[output], execution_count=1)
    notebook = nbformat.reads(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])), 4)
    path = tmp_path / "notebook.html"
    path.write_text(HTMLExporter(template_name="basic").from_notebook_node(notebook)[0], "utf-8")
    page = tab()
    page.goto(path.as_uri())
    frame = page.frames[1]
    frame.wait_for_selector("tbody tr[tabindex='0']")
    assert cells(frame) == shown(trace)


def test_a_page_without_its_script_still_has_everything(tab, tmp_path):
    trace = ls.trace("example:autoencoder")
    page = opened(tab, trace, tmp_path, java_script_enabled=False)
    told = [row.split("\t") for row in page.locator("#table-0").inner_text().splitlines()]
    assert [[part for part in row if part] for row in told] == [
        [part for part in row if part] for row in shown(trace)
    ]
    assert page.locator(".tools:visible, .bar:visible").count() == 0


def test_a_large_network_stays_within_the_nodes_of_a_screen(tab, tmp_path):
    page = opened(tab, ls.trace(networks.resnet(152)), tmp_path)
    assert page.evaluate("document.querySelectorAll('*').length") <= 5000
    assert (tmp_path / "report.html").stat().st_size <= 400_000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("run")
    text = "28x28x1 | conv 4 3 same relu | maxpool 2 | upsample 2 | conv 1 3 same sigmoid"
    return studies.train(text, "digits", epochs=3, batch_size=64, out=place / "run", verbose=0)


def test_a_run_has_its_curves_pictures_epochs_and_journey(tab, run):
    page = tab()
    page.goto((run.folder / "report.html").as_uri() + "#lang=en")
    history = run.history.history
    told = cells(page)
    assert told[0] == ["epoch", "loss", "val_loss"]
    assert [float(row[1]) for row in told[1:]] == pytest.approx(history["loss"], rel=1e-5)
    assert [row[0] for row in cells(page, 1)[1:]] == [layer["name"] for layer in ls.trace(run.model).layers]
    assert page.evaluate("document.querySelector('img').complete && document.querySelector('img').naturalWidth > 400")
    assert page.locator(".drawing").count() == 2
    page.hover("#table-1 tbody tr:nth-child(2)")
    assert page.inner_text(".view h3") == "conv2d"
    assert page.requests[0] == (run.folder / "report.html").as_uri()
    assert all(url.startswith("data:") for url in page.requests[1:])
    assert page.said == []
    assert axe(page) == []
