"""Training of any trainable detector on any data set of the project, through mmengine's Runner."""
