"""The page that trainer.certificate.report fills in, {{field}} by {{field}}."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Ricci-flat metric: certificate</title>
<style>
:root {
  --paper: #f4f5f8; --card: #ffffff; --ink: #22262e; --muted: #636b7a; --line: #e2e5eb;
  --after: #2257c5; --before: #96601c; --pass: #1d7a46; --fail: #b3261e;
}
@media (prefers-color-scheme: dark) and screen {
  :root {
    --paper: #0e1116; --card: #171b22; --ink: #d6dae2; --muted: #929bab; --line: #2a303a;
    --after: #7fa7ff; --before: #e0a458; --pass: #6fcf97; --fail: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1, h2 { line-height: 1.2; font-weight: 650; margin: 0; letter-spacing: -0.01em; }
h1 { font-size: 2rem; }
h2 { font-size: 1.1rem; margin-bottom: 0.8rem; }
sub, sup { line-height: 0; font-size: 0.72em; }
header p { margin: 0.35rem 0; }
.kicker {
  color: var(--muted); text-transform: uppercase; letter-spacing: 0.09em; font-size: 0.76rem;
}
.polynomial {
  font-family: "STIX Two Text", Cambria, Georgia, "DejaVu Serif", serif; font-size: 1.05rem;
  overflow-wrap: anywhere;
}
section, figure, details {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.3rem 1.5rem; margin: 1.25rem 0 0;
}
.headline { display: flex; flex-wrap: wrap; gap: 0.5rem 3rem; align-items: baseline; }
.headline p { margin: 0; }
.headline strong {
  display: block; font-size: 2.1rem; line-height: 1.25; font-weight: 650; color: var(--after);
  font-variant-numeric: tabular-nums; letter-spacing: -0.02em;
}
.headline .started strong { color: var(--before); font-size: 1.45rem; }
.headline span { color: var(--muted); font-size: 0.88rem; }
p.verdict { margin: 0 0 0.6rem; }
p.verdict strong { font-size: 1.45rem; font-weight: 650; margin-right: 0.8rem; }
p.verdict span { color: var(--muted); }
strong.pass { color: var(--pass); }
strong.fail, li.fail { color: var(--fail); }
ul.verdict {
  list-style: none; margin: 0 0 1.1rem; padding: 0; font-size: 0.88rem;
  display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 0.2rem 1rem;
}
ul.verdict small { color: var(--muted); }
li.pass::before { content: "✓ "; color: var(--pass); }
li.fail::before { content: "✗ "; }
.facts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(7.4rem, 1fr)); gap: 0.9rem 1rem;
  margin: 1.2rem 0 0; padding-top: 1.1rem; border-top: 1px solid var(--line);
}
.facts dt { color: var(--muted); font-size: 0.8rem; }
.facts dd { margin: 0; font-weight: 550; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.5rem 1.1rem 0.5rem 0; vertical-align: baseline; }
td { white-space: nowrap; }
tbody tr { border-top: 1px solid var(--line); }
thead th { color: var(--muted); font-size: 0.8rem; font-weight: 500; white-space: nowrap; }
tbody th { font-weight: 600; min-width: 17rem; }
th small { display: block; color: var(--muted); font-weight: 400; font-size: 0.8rem; }
td.before { color: var(--before); padding-right: 0; }
figure img { display: block; width: 100%; height: auto; }
figcaption, .note {
  color: var(--muted); font-size: 0.88rem; margin: 0.8rem 0 0; max-width: 48rem;
}
pre {
  margin: 0.6rem 0 0; padding: 0.7rem 0.9rem; background: var(--paper); border-radius: 8px;
  font: 0.84rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap;
  overflow-wrap: anywhere;
}
summary { cursor: pointer; font-weight: 650; }
dl.nested { margin: 0.5rem 0 0; font-size: 0.88rem; }
dl.nested > div {
  display: grid; grid-template-columns: 11rem 1fr; border-top: 1px solid var(--line);
}
dl.nested dt { color: var(--muted); padding: 0.25rem 0; overflow-wrap: anywhere; }
dl.nested dd { margin: 0; padding: 0.25rem 0; overflow-wrap: anywhere; }
dl.nested dl.nested { margin: -0.25rem 0; font-size: 1em; }
dl.nested dl.nested > div:first-child { border-top: 0; }
@media (max-width: 40rem) {
  dl.nested > div { grid-template-columns: 7rem 1fr; }
  section, figure, details { padding: 1rem; }
}
@media print {
  body { background: #fff; font-size: 9.5pt; }
  .scroll { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding: 0.25rem 0.7rem 0.25rem 0; }
  tbody th { min-width: 0; }
  main { max-width: none; padding: 0; }
  section, figure, details { border: 0; padding: 0; margin-top: 1.4rem; }
  section, figure, tr { break-inside: avoid; }
  figure img { max-width: 17cm; }
}
</style>
</head>
<body>
<main>
<header>
<p class="kicker">Certificate of a Ricci-flat metric</p>
<h1>{{configuration}}</h1>
{{polynomials}}
</header>
<section aria-label="Result">
{{verdict}}
<div class="headline">
<p><span>σ after training</span><strong>{{sigma}}</strong><span>{{flatter}}</span></p>
<p class="started"><span>σ of the Fubini–Study metric</span><strong>{{sigma_before}}</strong></p>
</div>
<dl class="facts">
{{facts}}
</dl>
</section>
<section>
<h2>Measures</h2>
<div class="scroll">
<table>
<thead><tr><th scope="col">measure</th><th scope="col">value ± standard error</th>
<th scope="col">exact</th><th scope="col">deviation</th>
<th scope="col">Fubini–Study</th></tr></thead>
<tbody>
{{measures}}
</tbody>
</table>
</div>
</section>
{{figures}}
{{fields}}
<section>
<h2>Again, and from Python</h2>
<pre>{{command}}</pre>
<pre>{{load}}</pre>
</section>
<details>
<summary>Topology</summary>
{{topology}}
</details>
<details>
<summary>Run</summary>
{{run}}
</details>
</main>
</body>
</html>
"""
