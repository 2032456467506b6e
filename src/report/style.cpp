// nothing → the look of every page: light and dark, from a phone to a wall, and on paper.
#include "report/page.h"

namespace soma::report {

std::string_view style() {
  return R"css(
:root{color-scheme:light dark;
--paper:#fcfcfa;--ink:#1b1e23;--soft:#5a6069;--rule:#dcdfe3;--faint:#f1f2f0;--right:37 114 214;--wrong:214 92 16;
--s0:#1f63c4;--s1:#b34d08;--s2:#0c7a58;--s3:#8a3fa0;--s4:#a8163f;--s5:#5a6069;
--words:Charter,"Bitstream Charter","Iowan Old Style","Source Serif 4",Cambria,Georgia,"Liberation Serif",serif;
--figures:-apple-system,"Segoe UI","Helvetica Neue",Inter,Roboto,"Liberation Sans",Arial,sans-serif;
--code:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
@media(prefers-color-scheme:dark){:root{
--paper:#14171b;--ink:#e6e8ea;--soft:#a2a9b2;--rule:#31363d;--faint:#1d2126;--right:78 146 240;--wrong:232 122 48;
--s0:#7db1ff;--s1:#ff9f5e;--s2:#52d0a4;--s3:#d6a0f2;--s4:#ff8fa6;--s5:#a2a9b2}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.55 var(--words);
font-variant-numeric:lining-nums;text-rendering:optimizeLegibility}
main{max-width:1280px;margin:0 auto;padding:clamp(20px,4vw,56px) clamp(16px,4vw,48px)}
h1{font-size:clamp(30px,5vw,46px);line-height:1.1;margin:0;letter-spacing:-.015em;font-weight:600;overflow-wrap:anywhere}
h2{font-size:25px;line-height:1.2;margin:0 0 14px;font-weight:600;letter-spacing:-.01em}
section{margin-top:52px;padding-top:22px;border-top:1px solid var(--rule)}
h3{font:600 16px/1.35 var(--figures);margin:26px 0 8px}h3:first-child{margin-top:0}
p{margin:0 0 14px;max-width:68ch;overflow-wrap:anywhere}
b{font-weight:600}
small{font-size:.82em;color:var(--soft)}
.kind{font:600 13px/1.4 var(--figures);letter-spacing:.08em;text-transform:uppercase;color:var(--soft);margin-bottom:8px}
.lead{font-size:19px;color:var(--soft);margin:12px 0 26px}.lead b{color:var(--ink)}
.note,footer,caption,.below{font:13px/1.5 var(--figures);color:var(--soft)}
.note{margin-top:10px}
.beside .note:first-child{margin-top:0}
footer{margin-top:60px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:18px 28px;margin:0}
.figures div{display:flex;flex-direction:column-reverse;justify-content:flex-end;border-top:2px solid var(--ink);padding-top:8px}
.figures dt{font:13px/1.35 var(--figures);color:var(--soft)}
.figures dd{margin:0;font:500 25px/1.25 var(--figures);font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:34px 44px}
.charts.wide{grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr))}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:34px 44px;align-items:start}
.beside>*{min-width:0}
figure{margin:0;min-width:0}
.chart figcaption{font:600 15px/1.35 var(--figures);margin-bottom:6px}
.chart figcaption small{font-weight:400;font-size:13px;margin-left:6px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;margin:0 0 4px;padding:0;font:13px/1.6 var(--figures)}
.legend li::before{content:"";display:inline-block;width:18px;height:0;border-top:3px solid var(--c);margin-right:7px;vertical-align:middle}
.legend li.again::before{border-top-style:dotted}
.boxes li::before{height:11px;width:11px;border:0;background:var(--c);border-radius:2px}
.boxes li.published::before{background:none;border:1.5px solid var(--c)}
.legend:not(.boxes) li.published::before{border-top-style:dashed;border-top-width:2px}
.s0{--c:var(--s0)}.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}.s4{--c:var(--s4)}.s5{--c:var(--s5)}
svg{display:block;overflow:visible;font:12.5px var(--figures);font-variant-numeric:tabular-nums}
svg text{fill:var(--soft)}
.plot{height:220px;width:calc(100% - var(--left) - 20px);margin:14px 20px 30px var(--left)}
.plot .y{text-anchor:end}.plot .x{text-anchor:middle}
.grid{stroke:var(--rule);stroke-width:1}
.plot path{fill:none;stroke:var(--c);stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round;vector-effect:non-scaling-stroke}
.plot path.again{stroke-dasharray:.1 5}
.plot path.published{stroke-dasharray:7 5;stroke-width:1.8}
.dot{fill:var(--c);stroke:var(--paper);stroke-width:1.5}
.dot.published{fill:var(--paper);stroke:var(--c)}
.below{text-align:center;margin:-6px 0 0;max-width:none}
.bars p{font:13.5px/1.35 var(--figures);margin:10px 0 3px;max-width:none}
.bars svg{width:100%}
.bars rect{fill:var(--c);min-width:2px}
.bars rect.published{fill:transparent;stroke:var(--c);stroke-width:1.5}
.bars text{fill:var(--ink);font-size:12.5px}
.scroll{overflow-x:auto;max-width:100%;scrollbar-width:thin}
.scroll:focus-visible,pre:focus-visible{outline:2px solid var(--s0);outline-offset:3px}
table{border-collapse:collapse;font:14.5px/1.4 var(--figures);font-variant-numeric:tabular-nums}
.scroll>table{min-width:min(100%,420px)}
th,td{padding:6px 14px 6px 0;text-align:left;font-weight:400;white-space:nowrap;border-bottom:1px solid var(--rule)}
th:last-child,td:last-child{padding-right:2px}
.scroll th[scope=row]{position:sticky;left:0;background:var(--paper)}
thead th{color:var(--soft);font-size:13px;border-bottom-color:var(--soft)}
.number{text-align:right;padding-left:14px}
caption{text-align:left;padding-bottom:8px}
.confusion{min-width:0!important;border-collapse:separate;border-spacing:2px;font-size:13px}
.confusion th,.confusion td{border:0;text-align:center;padding:5px 3px;min-width:28px;border-radius:3px}
.confusion th[scope=row]{text-align:right;padding-right:8px}
.confusion .none{color:var(--rule)}
.confusion .right{background:rgb(var(--right)/calc(.14 + .3*var(--depth)))}
.confusion .wrong{background:rgb(var(--wrong)/calc(.08 + .38*var(--depth)))}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:20px 14px}
.pictures figcaption{font:14px/1.35 var(--figures);margin-top:6px;overflow-wrap:anywhere}
.pictures small{display:block;font-size:12.5px}
.filters{display:grid;grid-template-columns:repeat(auto-fill,minmax(64px,1fr));gap:8px}
.filters img,.pictures img{width:100%;height:auto}
img{image-rendering:pixelated;display:block;border-radius:3px;background:var(--faint)}
.filters img{border:1px solid var(--rule)}
.plus,.minus{font-weight:600}.plus{color:var(--s1)}.minus{color:var(--s0)}
code,pre{font-family:var(--code);font-size:13px}
pre{background:var(--faint);padding:16px 18px;border-radius:6px;overflow:auto;max-height:460px;line-height:1.5;margin:0}
.verdicts{list-style:none;margin:0;padding:0;max-width:78ch}
.verdicts li{padding:9px 0 9px 30px;border-bottom:1px solid var(--rule);position:relative;overflow-wrap:anywhere}
.verdicts li::before{position:absolute;left:2px;font:600 17px/1.55 var(--figures)}
.verdicts .holds::before{content:"✓";color:var(--s2)}
.verdicts .open{color:var(--soft)}
.verdicts .open::before{content:"–"}
.verdicts .fails::before{content:"✗";color:var(--s4)}
@media print{body{font-size:11pt}section{break-inside:avoid}pre{max-height:none;white-space:pre-wrap}}
)css";
}

}  // namespace soma::report
