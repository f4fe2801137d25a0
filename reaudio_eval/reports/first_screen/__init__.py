"""First screen of a page: verdict, levels, family of tests."""
