"""What a person looks at: tables, figures, pages."""

from ._episodes import draw_episode as draw_episode
from ._few_shot import draw_few_shot as draw_few_shot
from ._figures import draw_comparison as draw_comparison, draw_tasks as draw_tasks
from ._findings import Affinities as Affinities, TableFindings as TableFindings
from ._html import html_of as html_of
from ._markdown import markdown_of as markdown_of
from ._page import (
    below_constant as below_constant,
    write_comparison_page as write_comparison_page,
    write_study_page as write_study_page,
)
from ._study import Study as Study
from ._table import terminal_table as terminal_table
from ._table_figures import draw_table as draw_table
from ._tables import words_of_table as words_of_table
from ._terminal import print_page as print_page
from ._values import (
    Bullets as Bullets,
    escaped as escaped,
    Grid as Grid,
    Markdown as Markdown,
    Page as Page,
    Paragraph as Paragraph,
    Picture as Picture,
    Section as Section,
)
from ._write import write_page as write_page
