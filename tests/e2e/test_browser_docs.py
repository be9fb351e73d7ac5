"""/docs in a real browser: it draws every operation, tries one, and breaks none of its own policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import openapi
from tests.e2e.browser import chromium, open_page
from tests.e2e.server_process import ServerProcess

LISTEN = """
window.violations = []
document.addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective))
"""
TRY_HEALTHZ = """async () => {
  const shown = async selector => {
    for (;;) {
      const found = document.querySelector(selector)
      if (found) return found
      await new Promise(requestAnimationFrame)
    }
  }
  await shown('.opblock')
  const operations = document.querySelectorAll('.opblock').length
  const block = '#operations-operation-get_healthz'
  ;(await shown(`${block} .opblock-summary-control`)).click()
  ;(await shown(`${block} .try-out__btn`)).click()
  ;(await shown(`${block} .execute`)).click()
  const body = await shown(`${block} .live-responses-table .response-col_description .microlight`)
  const from = performance.getEntriesByType('resource').map(resource => resource.name)
  return { operations, body: body.innerText, violations, from }
}"""


@pytest.mark.gen_test(timeout=90)
async def test_draws_and_tries_what_the_document_has(server: ServerProcess, tmp_path: Path) -> None:
    chromium()
    async with open_page(f"{server.url}/docs", tmp_path, before=LISTEN) as page:
        seen = await page.call(f"({TRY_HEALTHZ})")
    assert seen["operations"] == len(list(openapi.operations()))
    assert '"status": "ok"' in seen["body"]
    assert seen["violations"] == []
    assert seen["from"]
    assert all(url.startswith((f"{server.url}/", "data:")) for url in seen["from"])
