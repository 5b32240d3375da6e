"""Korean particles as the word before them is read, English plurals as the number before them counts."""

import json
import re
from pathlib import Path

import pytest

from layerscope.lab.painting import words
from layerscope.report import strings as reports
from layerscope.report.particles import ending, rules, settled

SOURCES = Path(__file__).parents[2] / "src" / "layerscope"
READ = {
    "vowel": "2 4 5 9 12 12,544 0.5 −5 4×4 14x14 90.2 relu ReLU softmax Dense Conv2D MaxPooling2D strides units filters "
    "kernel_size weight format_rate valid k p s K AS MNIST float repeat shift bit 레이어 편향(bias) 50% ∞ "
    "1,000,000,000,000",
    "consonant": "0 3 6 10 13 100 1,000 113,000 30 0.3 same padding output_padding Flatten BatchNormalization dropout "
    "format input crop block m n N RNN MAC name 값 칸 합성곱 128×10 (None, 4, 3) ‘n’ “same”",
    "liquid": "1 7 8 11 28 28x28x1 1,287 −8 kernel pool model unpool scale l L R 커널 필셀 스케일(scale)",
}  # fmt: skip
"""Words by how they are read: 3 삼, 8 팔, 10 십, L 엘, kernel 커널, 편향(bias) 편향."""
FORMS = {
    "vowel": "는 가 를 와 로 라는",
    "consonant": "은 이 을 과 으로 이라는",
    "liquid": "은 이 을 과 로 이라는",
}
BEHIND = re.compile("[}’](?:" + "|".join(map(re.escape, rules()["forms"])) + ")")
FORBIDDEN = {
    "층": "레이어", "네트워크": "신경망", "훈련": "학습", "시험": "테스트", "컨볼루션": "합성곱", "풀링층": "풀링 레이어",
    "스트라이딩": "스트라이드", "수용장": "수용 영역", "수용 필드": "수용 영역", "딜레이션": "팽창", "오토 인코더": "오토인코더",
    "은닉 코드": "코드", "업 샘플링": "업샘플링", "맥스 풀링": "최대 풀링", "매개변수": "파라미터", "활성 함수": "활성화 함수",
}  # fmt: skip
"""One word for one thing; the reference document says 레이어 throughout."""


def listed():
    for end, line in READ.items():
        for word in re.findall(r"\([^)]*\)|\S+\([^)]*\)|\S+", line):
            yield end, word


@pytest.mark.parametrize(("end", "word"), [(end, word) for end, word in listed() if "편향(" not in word])
def test_each_particle_is_as_its_word_is_read(end, word):
    assert ending(word) == end
    for mark, form in zip(rules()["forms"], FORMS[end].split(), strict=True):
        assert settled(f"앞 {word}{mark} 뒤") == f"앞 {word}{form} 뒤"


def test_brackets_behind_a_word_are_not_read():
    assert settled("편향(bias)은(는) 커널(kernel)(으)로 스케일(3)을(를)") == "편향(bias)은 커널(kernel)로 스케일(3)을"


def test_a_word_that_nobody_can_read_keeps_both_forms():
    assert settled("日本을(를) 🐼이(가)") == "日本을(를) 🐼이(가)"
    assert settled("= 은(는)") == "= 은(는)"


def test_numbers_of_things():
    assert settled("1 cell(s), 0 cell(s), 21 cell(s), 1,001 output cell(s), 1.5 time(s)") == (
        "1 cell, 0 cells, 21 cells, 1,001 output cells, 1.5 times"
    )
    assert settled("f(s) = 1 (s)") == "f(s) = 1 (s)"


def korean():
    for key, said in words.strings().items():
        yield key, said["ko"]
    yield from reports.table().items()


def test_particles_stand_in_both_forms_only_behind_a_value():
    """Behind a word of the text itself the right one is written."""
    for key, told in korean():
        marks = [mark for form in rules()["forms"] for mark in re.findall(re.escape(form), told)]
        assert len(BEHIND.findall(told)) == len(marks), key
        assert not re.search(
            r"과\(와\)|는\(은\)|가\(이\)|를\(을\)|로\(으로\)|\(와\)과|\([가-힣]\)[가-힣]", re.sub(BEHIND, "", told)
        ), key


def test_behind_a_value_no_particle_stands_in_one_form():
    single = re.compile(r"\{[\w#*]*\}[’]?(?:은|는|이|가|을|를|과|와|로|으로|라는|이라는)(?![가-힣(])")
    found = {key: told for key, told in korean() if single.search(told)}
    assert found == {}


@pytest.mark.parametrize("word", FORBIDDEN)
def test_one_word_for_one_thing(word):
    assert {key: told for key, told in korean() if word in told} == {}, f"say {FORBIDDEN[word]}"


def test_nothing_stays_open_in_a_text_with_values():
    """Each text with numbers, names of layers and words in it."""
    for key, said in words.strings().items():
        for value in ("3", "8", "relu", "Conv2D", "28x28x1", "커널"):
            told = re.sub(r"\{\w+\}", value, said["ko"])
            assert not any(mark in settled(told) for mark in rules()["forms"]), key
            assert "(s)" not in settled(re.sub(r"\{\w+\}", "1", said["en"])), key


def test_the_table_is_what_the_page_reads():
    page = (SOURCES / "lab" / "page" / "index.html").read_text("utf-8")
    found = re.search(r'<script type="application/json" id="particles">(.*?)</script>', page)
    assert json.loads(found[1]) == rules()
