"""The project's code, archived by digest at submit and unpacked where it runs."""
