"""D³QE: tokenizer, code statistics, D³AT, network, checkpoints, figures."""
