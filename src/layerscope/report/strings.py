"""What reports say, in Korean: each English text, with {} where it has a number or a name, and its translation.

Names that a network brings, and advice that depends on them, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

COLUMNS = {
    "layer": "레이어", "kind": "종류", "from": "입력 레이어", "input": "입력", "output": "출력", "dtype": "자료형",
    "layers": "레이어 수", "weights": "가중치", "parameters": "파라미터", "trainable": "학습 대상", "shared": "공유",
    "% of parameters": "파라미터 %", "MACs": "MAC", "% of MACs": "MAC %", "bias": "편향", "pointwise": "원소별 연산",
    "normalisation": "정규화", "pooling": "풀링", "output {}": "출력 {}", "live {}": "동시 점유 {}",
    "saved {}": "역전파 보관 {}", "receptive field": "수용 영역", "start": "시작", "jump": "간격", "phases": "위상",
    "holes": "빈틈", "data": "데이터", "capacity": "용량", "unread": "읽히지 않음", "dropped": "버려진 줄",
    "% discarded": "버림 %", "numbers": "숫자 수", "epoch": "에포크", "decoder": "디코더", "MSE": "MSE",
    "of decoder": "디코더의 것", "seconds": "초", "untrained": "학습 전", "checkerboard": "체커보드", "code": "코드",
    "loss": "손실", "accuracy": "정확도", "val_loss": "검증 손실", "val_accuracy": "검증 정확도",
    "warning": "경고", "where": "위치", "what": "내용", "advice": "조언", "change": "변경",
}  # fmt: skip
CELLS = {
    "condense ÷{}": "집약 ÷{}", "enrich ×{}": "풍부 ×{}", "everything": "전체", "nothing": "없음", "unknown": "알 수 없음",
    "open": "미정", "yes": "예", "none": "없음", "{} (shared)": "{} (공유)", "{} ({} shared)": "{} (공유 {})",
    "{}: the same {} layers": "{}: 같은 레이어 {}개", "{}: the same layer": "{}: 같은 레이어",
    "{}: {} times the same {} layers": "{}: 같은 레이어 {2}개가 {1}번",
    "{}: {} times the same layer": "{}: 같은 레이어가 {}번", "… and {} more": "… 외 {}개", "... {} layers ...": "... 레이어 {}개 ...",
}  # fmt: skip
TOTALS = {
    "operations": "연산", "memory": "메모리", "at inference": "추론할 때", "in training": "학습할 때",
    "{} ({} trainable, {} not)": "{} (학습 대상 {}, 고정 {})",
    "weights {}, inputs {}, outputs {}": "가중치 {}, 입력 {}, 출력 {}",
    "{} alive at once, in {}": "한 번에 {}, {}에서", "{} kept for the backward pass": "역전파를 위해 {} 보관",
    "at least {}": "적어도 {}", "{} bias": "편향 {}", "{} pointwise": "원소별 연산 {}", "{} normalisation": "정규화 {}",
    "{} pooling": "풀링 {}", "{} bytes": "{} 바이트", "{} byte": "{} 바이트",
    "network": "네트워크", "images": "이미지", "training": "학습", "reached": "결과", "seed": "시드", "computed with": "환경",
    "each run": "실행마다", "checkerboard of the images": "이미지의 체커보드",
    "{} to train, {} to test": "학습 {}, 시험 {}", "{} of {} epochs": "에포크 {} / {}",
}  # fmt: skip
SUBTITLES = {
    "per example (the batch size is open)": "예제 하나 기준 (배치 크기는 미정)",
    "for a batch of {}": "배치 {} 기준", "{}, as the network states": "{} (네트워크에 적힌 대로)",
    "{}, floats as {}": "{}, 실수는 {}", "{}, sorted by {}": "{}, {} 순", "{} trainable": "학습 대상 {}",
    "fits": "맞음", "does not fit": "맞지 않음", "fits, no warnings": "맞음, 경고 없음", "fits, {} warning": "맞음, 경고 {}개",
    "fits, {} warnings": "맞음, 경고 {}개",
    "one seed; {} test images": "시드 하나; 시험 이미지 {}장",
    "{} seeds, mean ± standard deviation; {} test images": "시드 {}개, 평균 ± 표준편차; 시험 이미지 {}장",
}  # fmt: skip
MEANINGS = {
    "Shared: parameters of an earlier layer, which the total counts there.": "공유: 앞선 레이어의 파라미터. 합계는 그곳에서 센다.",
    "MAC: one multiply and add in a product with weights; products with padding count.":
        "MAC: 가중치와의 곱셈에서 곱하고 더하기 한 번. 패딩과의 곱도 센다.",
    "Bias: additions of a bias.": "편향: 편향을 더하는 횟수.",
    "Pointwise: results of an elementwise function, such as relu or an addition of two tensors.":
        "원소별 연산: relu나 두 텐서의 덧셈처럼 원소마다 계산한 결과의 수.",
    "Normalisation: elements that are normalised.": "정규화: 정규화되는 원소의 수.",
    "Pooling: elements that pooling windows and reductions read.": "풀링: 풀링 창과 축약이 읽는 원소의 수.",
    "Output: bytes of the outputs; a view of another tensor has none.": "출력: 출력의 바이트 수. 다른 텐서를 그대로 보는 것은 0.",
    "Live: bytes of all tensors that are alive while the layer runs at inference, weights apart.":
        "동시 점유: 추론에서 이 레이어가 도는 동안 살아 있는 모든 텐서의 바이트 수 (가중치 제외).",
    "Saved: bytes that training keeps for the backward pass, each tensor at the first layer that keeps it.":
        "역전파 보관: 역전파를 위해 학습이 보관하는 바이트 수. 텐서마다 처음 보관하는 레이어에서 센다.",
    "Receptive field: input positions that one output position depends on, per axis, on an unbounded input.":
        "수용 영역: 출력 위치 하나가 의존하는 입력 위치의 수. 축마다, 끝없는 입력에서.",
    "Receptive field: input positions that one output position depends on, per axis, on an unbounded input; "
    "a range where it varies with the position.":
        "수용 영역: 출력 위치 하나가 의존하는 입력 위치의 수. 축마다, 끝없는 입력에서. 위치에 따라 다르면 범위로.",
    "Start: the first input position that output position 0 depends on; below 0 it lies in the padding.":
        "시작: 출력 위치 0이 의존하는 첫 입력 위치. 0보다 작으면 패딩 안에 있다.",
    "Jump: input positions per output position.": "간격: 출력 위치 하나마다 나아가는 입력 위치의 수.",
    "Phases: output positions until the pattern of what they depend on repeats.":
        "위상: 의존하는 모양이 되풀이될 때까지의 출력 위치 수.",
    "Holes: some positions within the receptive field are not read, as with dilation.":
        "빈틈: 팽창처럼, 수용 영역 안에 읽지 않는 위치가 있음.",
    "Data: numbers out ÷ numbers in; below 1 a layer condenses the data, above 1 it enriches it.":
        "데이터: 나가는 숫자 수 ÷ 들어오는 숫자 수. 1보다 작으면 데이터를 집약하고, 크면 풍부하게 한다.",
    "Capacity: at most so many independent numbers about the input can be in the output, whatever the weights.":
        "용량: 가중치가 무엇이든 출력에 담길 수 있는, 입력에 관한 독립된 숫자의 최대 수.",
    "Unread: numbers of the output on which no output of the network depends.":
        "읽히지 않음: 네트워크의 어떤 출력도 의존하지 않는 숫자의 수.",
    "Dropped: rows, columns, ... of its input that a layer never reads, as where sizes do not divide.":
        "버려진 줄: 크기가 나누어떨어지지 않을 때처럼, 레이어가 전혀 읽지 않는 입력의 행, 열, ...",
    "% discarded: of the numbers of its input, those that are not passed on, since only the largest of each window is.":
        "버림 %: 창마다 가장 큰 값만 전하므로 전해지지 않는 입력 숫자의 비율.",
    "Memory: of tensors, 1 kB = 1,000 bytes; what is alive or kept comes on top of the weights.":
        "메모리: 텐서의 것, 1 kB = 1,000 바이트. 점유와 보관은 가중치에 더해진다.",
    "Open sizes: {}; --set {}=N puts a number in the place of one.": "미정인 크기: {}. --set {}=N 으로 숫자를 넣는다.",
    "Unknown is not zero: totals leave unknown layers out and say so.":
        "알 수 없음은 0이 아니다: 합계는 알 수 없는 레이어를 빼고, 그렇다고 적는다.",
    "Encoder: {}": "인코더: {}",
    "MSE: mean squared error over the pixels of the test images, which lie in 0 … 1.":
        "MSE: 시험 이미지 픽셀(0 … 1)의 평균 제곱 오차.",
    "MSE: mean squared error over the pixels of the test images, which lie in 0 … 1; ± is the standard deviation "
    "over seeds.": "MSE: 시험 이미지 픽셀(0 … 1)의 평균 제곱 오차. ±는 시드에 걸친 표준편차.",
    "Of the same seed, all decoders share the encoder's initial weights and the order of the batches.":
        "같은 시드에서 모든 디코더는 인코더의 처음 가중치와 배치 순서를 함께 쓴다.",
    "MAC: one multiply and add in a product with weights; products with zeros of padding and nails count.":
        "MAC: 가중치와의 곱셈에서 곱하고 더하기 한 번. 패딩과 못판의 0과의 곱도 센다.",
    "Seconds: training alone, the fastest epoch times the epochs.": "초: 학습만의 시간, 가장 빠른 에포크 × 에포크 수.",
    "Checkerboard: share of the reconstructions' variance that repeats with the last enlargement, {}; "
    "untrained: before training.":
        "체커보드: 재구성 분산 가운데 마지막 확대({})와 함께 되풀이되는 비율. 학습 전: 학습하기 전의 값.",
    "pca: the first principal components of the training images as the code.": "pca: 학습 이미지의 첫 주성분들을 코드로 쓴 것.",
    "Numbers: of one example; of one axis, also the images (channels·side·side) that they could be.":
        "숫자 수: 예제 하나의 것. 축이 하나면 그것이 될 수 있는 이미지(채널·변·변)도.",
}  # fmt: skip
PAGE = {
    "Layers": "레이어", "Epochs": "에포크", "Decoders": "디코더", "Changes": "변경", "Warnings": "경고", "Journey": "여정",
    "Curves": "곡선", "Pictures": "그림",
    "Language": "언어", "Theme": "테마", "automatic": "자동", "light": "밝게", "dark": "어둡게", "note: {}": "참고: {}",
    "Search": "찾기", "Columns": "열", "Unfold": "펼치기", "Fold": "접기", "{} rows": "{}행", "{} of {} rows": "{} / {}행",
    "layers of {}": "{}의 레이어", "Receptive field": "수용 영역", "What the words mean": "낱말의 뜻",
    "Table of {}": "{} 표", "Figure of the journey": "여정 그림",
    "Point at a layer, or move through the rows with the arrow keys, to see what it sees of the input.":
        "레이어를 가리키거나 화살표 키로 행을 옮기면, 그 레이어가 입력의 무엇을 보는지 나타난다.",
    "Its middle position sees {} of the {} positions of {}.":
        "가운데 위치가 보는 입력 위치: {} (전체 {}, {}).",
    "What is dashed lies in the padding.": "점선은 패딩에 있다.", "Nothing of it can be drawn.": "그릴 수 있는 것이 없다.",
    "more numbers out than in": "나가는 숫자가 더 많음", "fewer": "더 적음", "as many": "같음", "no parameters": "파라미터 없음",
    "Height: positions along an axis; width: numbers at each position; both on a logarithmic scale. "
    "Bars: share of the largest row.":
        "높이: 축을 따른 위치 수, 너비: 위치마다의 숫자 수, 둘 다 로그 척도. 막대: 가장 큰 행에 대한 비율.",
    "Made by Layerscope {}": "Layerscope {}로 만듦",
    "original": "원본", "reconstruction": "재구성", "validation": "검증",
}  # fmt: skip
ALL = {**COLUMNS, **CELLS, **TOTALS, **SUBTITLES, **MEANINGS, **PAGE}
"""Every text of a report that is its own."""
ENOUGH = 400
"""Letters of the longest text that is matched with patterns."""


@lru_cache(8192)
def korean(text: str) -> str | None:
    """The text in Korean; None where it is no text of a report's own.

    Parts of a list ("1 bias, 2 pooling") and values within a text ("at least 12 bytes") are translated, too.
    """
    if text in ALL:
        return ALL[text]
    if len(text) > ENOUGH:
        return None
    parts = text.split(", ")
    if len(parts) > 1:
        listed = [korean(part) for part in parts]
        if all(listed):
            return ", ".join(part for part in listed if part)
    for pattern, told in _patterns():
        found = pattern.fullmatch(text)
        if found:
            return _put(told, [_inner(part) for part in found.groups()])
    return None


def _inner(value: str) -> str:
    """A value within a text: an amount in words is translated, a name stays."""
    if re.match(r"[\d≥<]|at least ", value):
        return korean(value) or value
    return value


def _put(told: str, values: list[str]) -> str:
    """Values in the place of {} in order, or of {1} by number."""
    rest = iter(values)
    return re.sub(r"\{(\d?)\}", lambda mark: values[int(mark[1])] if mark[1] else next(rest), told)


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Texts with values in them, the most particular first."""
    found = [english for english in ALL if "{}" in english]
    found.sort(key=lambda english: -len(english.replace("{}", "")))
    return [(_pattern(english), ALL[english]) for english in found]


def _pattern(english: str) -> re.Pattern[str]:
    """Amounts begin with a number or "at least"; where a text ends with a value, or begins with one, it may be a name."""
    return re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL)


def known(texts: Iterator[str]) -> dict[str, str]:
    """Those of the texts that have a translation, with it."""
    pairs = ((text, korean(text)) for text in texts)
    return {text: told for text, told in pairs if told is not None and told != text}
