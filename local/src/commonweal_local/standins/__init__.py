"""What stands in for parts of Pulumi that this machine lacks."""
