import math

import pytest
import torch

from paretune_trainer.workloads.catalog import ROTTEN_TOMATOES
from paretune_trainer.workloads.sentence_cnn import PRESETS, Configuration, SentenceCnn


def configuration(preset: str = "full", **parameters) -> Configuration:
    return Configuration.from_parameters(ROTTEN_TOMATOES.complete_parameters(parameters), PRESETS[preset])


SHAPES = [
    {},
    {"filter_size_1": 1, "filter_size_2": 7, "filter_size_3": 1, "num_feature_maps": 10, "embed_dim": 101},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_network_maps_sentences_to_two_logits_and_has_the_counted_parameters(shape):
    values = configuration(**shape)
    network = SentenceCnn(values, vocabulary=50)
    assert network(torch.zeros(3, 12, dtype=torch.int64)).shape == (3, 2)
    assert sum(p.numel() for p in network.parameters()) == values.parameter_count(50)


def test_the_paper_s_network_has_this_many_parameters():
    # Word vectors, filters of 3 + 4 + 5 words, classifier.
    expected = 18765 * 300 + (12 * 300 + 3) * 100 + 602
    assert configuration().parameter_count(18765) == expected == 5_990_402


def test_network_sees_a_word_wherever_it_stands():
    torch.manual_seed(0)
    network = SentenceCnn(configuration("quick"), vocabulary=50).eval()
    sentences = torch.zeros(2, 20, dtype=torch.int64)
    sentences[0, 6:9] = sentences[1, 11:14] = torch.tensor([4, 5, 6])
    first, second = network(sentences)
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, network(torch.zeros(1, 20, dtype=torch.int64))[0])


def test_weights_start_small_and_biases_at_zero():
    for name, parameter in SentenceCnn(configuration(), vocabulary=200).named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        else:
            assert 0.09 < parameter.abs().max() <= 0.1


def test_learning_rate_halves_every_fifty_epochs():
    values = configuration(log_learning_rate=math.log(0.01), epochs=100)
    rates = [values.rate(epoch, PRESETS["full"].halve_every) for epoch in (1, 50, 51, 100, 101)]
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.005, 0.0025])


@pytest.mark.parametrize("preset", ["medium", "quick"])
def test_scaled_presets_keep_the_order_of_configurations(preset):
    small = configuration(preset, epochs=5, embed_dim=100, num_feature_maps=10)
    large = configuration(preset, epochs=100, embed_dim=500, num_feature_maps=200)
    assert 1 <= small.epochs < large.epochs < 100
    assert 2 <= small.embed_dim < large.embed_dim < 500
    assert 2 <= small.feature_maps < large.feature_maps < 200
    # The rate halves once within the longest training, as at full fidelity.
    assert large.rate(large.epochs, PRESETS[preset].halve_every) == large.learning_rate / 2


def test_full_preset_is_the_published_training():
    values = configuration(epochs=100, embed_dim=500, num_feature_maps=200)
    assert (values.epochs, values.embed_dim, values.feature_maps) == (100, 500, 200)
    full = PRESETS["full"]
    assert (full.min_accuracy, full.max_seconds, full.halve_every) == (75.0, 250.0, 50)
    assert (full.sentences, full.length, full.min_count) == (None, None, 1)
