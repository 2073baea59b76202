#include "report/report_style.h"

#include <math.h>
#include <stdio.h>

/* Literal colours, no variables: also renderers that know little CSS draw the light version. */
const char *dho_style_svg(void)
{
    return "svg{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}"
           ".page{fill:#fff}"
           "text{font-size:11px;fill:#333}.title{font-size:12.5px;font-weight:600;fill:#1a1a1a}"
           ".heading{font-size:16px;font-weight:600;fill:#1a1a1a}.name{font-size:12px;fill:#1a1a1a}"
           ".small{font-size:9px}"
           ".onlight{fill:#111}.ondark{fill:#fff}.num{font-variant-numeric:tabular-nums}"
           ".grid{stroke:#e3e3e3;stroke-width:1}.axis{stroke:#8a8a8a;stroke-width:1}"
           ".ref{stroke:#8a8a8a;stroke-width:1;stroke-dasharray:2 3}"
           ".ink{fill:#333}.frame{fill:none;stroke:#1a1a1a;stroke-width:2}"
           ".halo{fill:none;stroke:#fff;stroke-width:4}.under{stroke:#fff;stroke-width:4.5}"
           ".range{stroke:#e05a00;stroke-width:2.2}.under.best{stroke-width:7.5}"
           ".range.best{stroke-width:5}"
           ".curve{fill:none;stroke-width:1.9;stroke-linejoin:round}"
           ".raw{fill:none;stroke-width:1;stroke-opacity:.33;stroke-linejoin:round}"
           ".whisker{stroke-width:1.6}"
           ".s0{stroke:#0072b2}.s1{stroke:#d55e00}.s2{stroke:#00805c}.s3{stroke:#a8407f}"
           ".s4{stroke:#8a6a00}.s5{stroke:#333}.s6{stroke:#5b56c4}.s7{stroke:#b0362c}"
           ".f0{fill:#0072b2}.f1{fill:#d55e00}.f2{fill:#00805c}.f3{fill:#a8407f}"
           ".f4{fill:#8a6a00}.f5{fill:#333}.f6{fill:#5b56c4}.f7{fill:#b0362c}"
           ".d1{stroke-dasharray:7 3}.d2{stroke-dasharray:2 2.5}.d3{stroke-dasharray:8 3 2 3}"
           ".d4{stroke-dasharray:12 3}.d5{stroke-dasharray:4 2}.d6{stroke-dasharray:8 2 2 2 2 2}"
           ".d7{stroke-dasharray:1 3}"
           "@media (prefers-color-scheme:dark){.page{fill:#15181c}"
           "text{fill:#c9ced6}.title,.heading,.name{fill:#f0f2f5}"
           ".grid{stroke:#2c3138}.axis,.ref{stroke:#7d8590}"
           ".ink{fill:#c9ced6}.raw{stroke-opacity:.42}"
           ".s0{stroke:#56b4e9}.s1{stroke:#ff9040}.s2{stroke:#35c99b}.s3{stroke:#e88fc4}"
           ".s4{stroke:#e5c84a}.s5{stroke:#d5d9df}.s6{stroke:#a6a2ff}.s7{stroke:#ff8a80}"
           ".f0{fill:#56b4e9}.f1{fill:#ff9040}.f2{fill:#35c99b}.f3{fill:#e88fc4}"
           ".f4{fill:#e5c84a}.f5{fill:#d5d9df}.f6{fill:#a6a2ff}.f7{fill:#ff8a80}}";
}

const char *dho_style_page(void)
{
    return ":root{color-scheme:light dark}*{box-sizing:border-box}"
           "body{margin:0 auto;max-width:1240px;padding:16px;background:#fff;color:#1a1a1a;"
           "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
           "overflow-wrap:anywhere}"
           "h1{font-size:24px;line-height:1.25;margin:8px 0}h2{font-size:19px;margin:36px 0 8px;"
           "padding-top:12px;border-top:1px solid #d5d5d5}h3{font-size:16px;margin:22px 0 6px}"
           "p{margin:6px 0 10px;max-width:80ch}"
           "a{color:#005a9c}nav a{margin-right:14px;white-space:nowrap}"
           ".quiet,figcaption{color:#595959;font-size:13px;max-width:95ch}"
           "figure{margin:12px 0 20px}"
           ".panels{display:grid;gap:14px 18px;"
           "grid-template-columns:repeat(auto-fill,minmax(min(330px,100%),1fr))}"
           ".chart{width:100%;height:auto;display:block}.panel{max-width:460px;min-width:0}"
           ".panel .heading{margin:0 4px 4px;font-size:13px;font-weight:600;line-height:1.35}"
           ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;padding:0;margin:6px "
           "0;"
           "font-size:13px}.legend li{display:flex;align-items:center;gap:6px}"
           ".sample{width:30px;height:12px;flex:none}"
           ".box{overflow-x:auto;margin:8px 0}"
           "table{border-collapse:collapse;font-size:13px;overflow-wrap:normal}"
           "th,td{padding:4px 10px;text-align:right;border-bottom:1px solid #e3e3e3;"
           "vertical-align:top;white-space:nowrap;font-variant-numeric:tabular-nums}"
           "th{font-weight:600;white-space:nowrap}th:first-child,td:first-child,.left{text-align:"
           "left}"
           ".two{display:flex;flex-wrap:wrap;gap:8px 40px}.two>div{min-width:0;max-width:100%}"
           "small{color:#595959}.best{font-weight:700}"
           "details{margin:8px 0}summary{cursor:pointer;padding:4px 0}"
           "pre{overflow-x:auto;background:#f5f5f5;padding:10px;font-size:12px;line-height:1.4;"
           "overflow-wrap:normal}"
           ".shots{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));"
           "padding:0;list-style:none;margin:6px 0}"
           ".shots li{font-size:12px;line-height:1.35;min-width:0}"
           ".shots img{display:block;max-width:96px;height:auto;margin-bottom:4px;"
           "border:1px solid #d5d5d5}"
           ".shots b{font-weight:600}"
           ".notes{background:#fff6e0;border-left:4px solid #b87800;padding:8px 12px;margin:12px 0;"
           "font-size:13px}.notes ul{margin:4px 0;padding-left:20px}"
           ".swatch{display:inline-block;vertical-align:middle;width:30px;height:12px;"
           "margin-right:6px}"
           "@media "
           "(prefers-color-scheme:dark){body{background:#15181c;color:#e6e9ee}a{color:#7cc4ff}"
           "h2{border-color:#3a4049}th,td{border-color:#2c3138}"
           ".quiet,figcaption,small{color:#a9b1bc}pre{background:#1e2228}"
           ".notes{background:#2b2412;border-color:#e5c84a}.shots img{border-color:#3a4049}}"
           "@media print{details{display:block}}";
}

int dho_style_dash(int run)
{
    return (run + run / 8) % 8;
}

/* WCAG 2's relative luminance: above 0.179 black has the better contrast, below white. */
static double luminance(const int rgb[3])
{
    static const double weights[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int c = 0; c < 3; c++) {
        const double x = rgb[c] / 255.0;
        sum += weights[c] * (x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4));
    }
    return sum;
}

/* Linear between the stops, in sRGB: close enough to even steps for reading a map. */
int dho_style_sequential(double value, char out[8])
{
    static const double stops[5][3] = {
        {247, 251, 255}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}};
    const double at = 4 * fmin(fmax(isnan(value) ? 0 : value, 0), 1);
    const int stop = at < 4 ? (int)at : 3;
    int rgb[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = (int)lround(stops[stop][c] + (at - stop) * (stops[stop + 1][c] - stops[stop][c]));
    snprintf(out, 8, "#%02x%02x%02x", rgb[0] & 255, rgb[1] & 255, rgb[2] & 255);
    return luminance(rgb) > 0.179;
}
