"""What a person looks at: pages, tables, figures."""

from ._episodes import draw_episode as draw_episode
from ._few_shot import draw_few_shot as draw_few_shot
from ._few_shot_advice import (
    advice_of as advice_of,
    kept_by_fit as kept_by_fit,
    recommendation_of as recommendation_of,
    to_use as to_use,
)
from ._figures import draw_comparison as draw_comparison, draw_tasks as draw_tasks
from ._html import check_report as check_report, html_of as html_of
from ._look import (
    amount as amount,
    DASHES as DASHES,
    Look as Look,
    look as look,
    number as number,
    Numbers as Numbers,
    with_interval as with_interval,
)
from ._markdown import markdown_of as markdown_of
from ._new_tasks import (
    below_constant as below_constant,
    grid_by_shots as grid_by_shots,
    page_of_new_tasks as page_of_new_tasks,
    verdict_of_control as verdict_of_control,
)
from ._reading import reading_grid as reading_grid, reading_sections as reading_sections
from ._report import write_report as write_report
from ._study import Study as Study
from ._table_figures import draw_table as draw_table
from ._table_page import page_of_table as page_of_table
from ._table_result import TableResult as TableResult
from ._terminal import print_page as print_page
from ._values import (
    Bullets as Bullets,
    code as code,
    escaped as escaped,
    Grid as Grid,
    Markdown as Markdown,
    Page as Page,
    Paragraph as Paragraph,
    Part as Part,
    Picture as Picture,
    Section as Section,
)
from ._write import write_page as write_page
