import numpy as np
import pytest

from paretune_trainer.workloads import reviews
from paretune_trainer.workloads.data import DataFile, DataSet, MissingData
from paretune_trainer.workloads.reviews import load_reviews, tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's a film -- you'll laugh!", ["it", "'s", "a", "film", "you", "'ll", "laugh", "!"]),
        ("isn't they've we're he'd", ["is", "n't", "they", "'ve", "we", "'re", "he", "'d"]),
        ("(why, oh why?)", ["(", "why", ",", "oh", "why", "?", ")"]),
        ("rock 'n' roll `quoted`", ["rock", "'n'", "roll", "`quoted`"]),
        ("a clich\xe9d 9/10 ; so: good .", ["a", "clich", "d", "9", "10", "so", "good"]),
        ("Windows\x92 dash\x97here\x85 and there", ["windows", "dash", "here", "and", "there"]),
        (" . - ", []),
    ],
)
def test_words_of_a_sentence(text, words):
    assert tokenize(text) == words


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with 600 made-up sentences of each kind, in a mixed encoding."""
    (tmp_path / "rt-polarity").mkdir()
    files = []
    for kind in ("pos", "neg"):
        lines = [f"{kind} caf\xe9\x85 number{i} once{kind}{i}".encode("latin-1") for i in range(600)]
        (tmp_path / "rt-polarity" / f"rt-polarity.{kind}").write_bytes(b"\n".join(lines) + b"\n")
        files.append(DataFile(f"rt-polarity/rt-polarity.{kind}", "", "", 0))
    monkeypatch.setattr(reviews, "REVIEWS", DataSet("Toy", tuple(files), ""))
    monkeypatch.setattr("paretune_trainer.workloads.data._check", lambda *_: None)
    return str(tmp_path)


def test_every_line_is_a_sentence_whatever_its_bytes(folder):
    corpus = load_reviews({"data": folder})
    assert corpus.train.words.shape == (200, 4)
    assert corpus.valid.words.shape == (1000, 4)
    assert corpus.train.labels.sum() + corpus.valid.labels.sum() == 600
    assert corpus.vocabulary == 1 + 2 + 1 + 600 + 1200


def test_labels_stay_with_their_sentences(folder):
    corpus = load_reviews({"data": folder})
    for part in (corpus.train, corpus.valid):
        firsts = {label: set(part.words[part.labels == label, 0].tolist()) for label in (0, 1)}
        assert len(firsts[0]) == len(firsts[1]) == 1
        assert firsts[0] != firsts[1]


def test_fewer_sentences_shorter_and_of_commoner_words(folder):
    whole = load_reviews({"data": folder})
    part = load_reviews({"data": folder}, sentences=50, length=3, min_count=30)
    assert part.train.words.shape == (50, 2)
    assert part.vocabulary == 4
    np.testing.assert_array_equal(part.train.labels, whole.train.labels[:50])
    np.testing.assert_array_equal(part.valid.labels, whole.valid.labels)


def test_rare_words_leave_no_gap_and_padding_is_at_the_end(folder):
    words = load_reviews({"data": folder}, min_count=2).train.words
    lengths = (words != reviews.PADDING).sum(axis=1)
    assert set(lengths.tolist()) == {3}
    assert (words[:, 3:] == reviews.PADDING).all()


def test_the_real_sentences_have_the_published_statistics(data_folder):
    corpus = load_reviews({"data": str(data_folder)})
    assert corpus.train.words.shape == (9662, 56)
    assert corpus.valid.words.shape == (1000, 56)
    # Table 1 of Kim (2014): |V| = 18765, l = 20.
    assert corpus.vocabulary == 18765
    words = np.concatenate([corpus.train.words, corpus.valid.words])
    assert (words.min(), words.max()) == (0, 18764)
    assert round((words != reviews.PADDING).sum() / len(words)) == 20
    assert corpus.train.labels.sum() + corpus.valid.labels.sum() == 5331
    assert 0.45 < corpus.valid.labels.mean() < 0.55


def test_the_validation_sentences_are_always_the_same(data_folder):
    once, again = (load_reviews({"data": str(data_folder)}) for _ in range(2))
    np.testing.assert_array_equal(once.valid.words, again.valid.words)
    few = load_reviews({"data": str(data_folder)}, sentences=100)
    np.testing.assert_array_equal(once.valid.labels, few.valid.labels)


def test_missing_sentences_say_what_to_fetch(tmp_path):
    with pytest.raises(MissingData, match=r"rt-polarity/rt-polarity.pos is missing") as caught:
        load_reviews({"data": str(tmp_path)})
    assert "rt-polaritydata.tar.gz, extract rt-polaritydata/rt-polarity.pos" in str(caught.value)
