/* What the pictures share: a colour for each epoch that colour-blind readers tell apart too (Okabe and
   Ito's, grey for black), text that is safe in XML, the frame. */
#ifndef SVG_H
#define SVG_H

#include "snapshot.h"

enum { SVG_WIDTH = 900, SVG_MARGIN = 16 };

/* Epochs opened one after another differ; an epoch has one colour in every picture. */
static inline const char *svg_color(const json_t *epoch)
{
    static const char *const colors[] = {"#0072b2", "#e69f00", "#999999", "#009e73",
                                         "#cc79a7", "#56b4e9", "#f0e442", "#d55e00"};
    return colors[json_integer_value(json_object_get(epoch, "era")) & 7];
}

static inline void svg_text(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '&')
            fputs("&amp;", f);
        else if (*s == '<')
            fputs("&lt;", f);
        else if (*s == '>')
            fputs("&gt;", f);
        else
            fputc((unsigned char)*s < 0x20 ? ' ' : *s, f);
    }
}

static inline void svg_begin(FILE *f, int height, const char *title, const char *under)
{
    fprintf(f,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d'>\n"
            "<style>text{font-family:system-ui,sans-serif;font-size:12px;fill:#444}.title{font-size:16px;"
            "font-weight:600;fill:#222}.name{font-size:13px;fill:#222}.grid{stroke:#e3e3e3}</style>\n"
            "<rect width='100%%' height='100%%' fill='white'/>\n<text x='%d' y='26' class='title'>%s</text>\n"
            "<text x='%d' y='46'>%s</text>\n",
            SVG_WIDTH, height, SVG_WIDTH, height, SVG_MARGIN, title, SVG_MARGIN, under);
}

/* "name", and its state when it takes no more objects. */
static inline void svg_epoch_name(FILE *f, const json_t *epoch)
{
    fputc('"', f);
    svg_text(f, snap_text(epoch, "label"));
    fputc('"', f);
    if (strcmp(snap_text(epoch, "state"), "active")) fprintf(f, " (%s)", snap_text(epoch, "state"));
}
#endif
