import unittest

import page


class Page(unittest.TestCase):
    def test_shows_version_and_row(self):
        shown = page.index("7", "hello <world>")
        self.assertIn("version 7", shown)
        self.assertIn("hello &lt;world&gt;", shown)

    def test_is_healthy_with_a_database(self):
        self.assertEqual(page.health(lambda sql: (1,))[0], 200)

    def test_is_not_healthy_without(self):
        def down(sql):
            raise ConnectionError("no route")

        self.assertEqual(page.health(down), (503, "the database does not answer: no route\n"))


if __name__ == "__main__":
    unittest.main()
